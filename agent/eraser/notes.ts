import type { Note, Regarding } from '../cluster/events.ts';
import { nameOf } from '../images/inventory.ts';
import type { KeepCode } from '../images/plan.ts';
import { boundedNote } from '../node/result.ts';
import type { ImageListView } from './imagelist.ts';
import { isResultOf } from './run.ts';
import type { Staying } from './staying.ts';
import type { ReportedNode } from './tally.ts';

/** An Event takes 1024 bytes of text. */
const maxQuoted = 5;

/** Entries of an ImageList that are no rule, quoted. */
export function refusedNote(list: ImageListView): Note {
  const { refused, generation } = list;
  const quoted = refused.slice(0, maxQuoted).map(({ index, problem }) => `spec.images.${index}: ${problem}`);
  const more = refused.length > maxQuoted ? `; and ${refused.length - maxQuoted} more` : '';
  return {
    regarding: regardingOf(list),
    type: 'Warning',
    reason: 'ImageListEntryRefused',
    action: 'ReadImageList',
    note: boundedNote(`refused, the others go on: ${quoted.join('; ')}${more}`),
    identity: String(generation),
  };
}

/** How each reason to stay begins in the Event; the gravest first, because a long text is cut. */
const putOffWords: readonly (readonly [KeepCode, string])[] = [
  ['backing-off', 'could not be removed a while ago and are not tried again yet'],
  ['over-budget', 'do not fit into the budget of a run'],
  ['just-appeared', 'were seen too short a time ago'],
  ['nameless-recently', 'lost their name too short a time ago'],
];
/** There may be four such reasons. */
const maxQuotedPutOff = 2;

/** Images that an ImageList names and that a node had to leave, by why; undefined where there are none. */
export function leftNote(list: ImageListView, { putOff }: Staying, node: Regarding): Note | undefined {
  const parts = putOffWords.flatMap(([wanted, words]) => {
    const left = putOff.filter(({ code }) => code === wanted);
    const [first] = left;
    if (first === undefined) return [];
    const names = firstOf(
      left.map(({ image }) => nameOf(image)),
      maxQuotedPutOff,
    );
    return [`${words} (${first.reason}) and stay: ${names}`];
  });
  if (parts.length === 0) return undefined;
  return {
    regarding: node,
    type: 'Warning',
    reason: 'ImageListImageLeft',
    action: 'CleanImages',
    note: boundedNote(`ImageList ${list.name} names images that ${parts.join('; that ')}`),
    identity: `${list.uid} ${list.generation}`,
  };
}

/** As many nodes as a person looks at before asking them all. */
const maxQuotedNodes = 3;

/**
 * Images that an ImageList names and that stay because something uses them, on all nodes: one Event, where each node's own
 * would be a thousand. Undefined where there are none.
 */
export function inUseNote(list: ImageListView, nodes: readonly ReportedNode[]): Note | undefined {
  const users = new Map<string, string[]>();
  let isAllNamed = true;
  for (const { name, results } of nodes) {
    const result = results.get(list.name);
    if (!isResultOf(result, list) || result.inUse === undefined) continue;
    const { count, images } = result.inUse;
    isAllNamed &&= count <= images.length;
    for (const image of images)
      users
        .set(image, users.get(image) ?? [])
        .get(image)
        ?.push(name);
  }
  if (users.size === 0) return undefined;
  const mostUsed = [...users].toSorted(([, one], [, other]) => other.length - one.length);
  const parts = mostUsed.map(([image, on]) => `${image} on ${firstOf(on.toSorted(), maxQuotedNodes)}`);
  const others = isAllNamed ? '' : '; others are in the logs of the agents';
  return {
    regarding: regardingOf(list),
    type: 'Normal',
    reason: 'ImageListImageInUse',
    action: 'CleanImages',
    note: boundedNote(`in use, and left: ${firstOf(parts, maxQuoted, '; ')}${others}`),
    identity: String(list.generation),
  };
}

function regardingOf({ name, uid }: ImageListView): Regarding {
  return { apiVersion: 'eraser.sh/v1', kind: 'ImageList', name, uid };
}

function firstOf(texts: readonly string[], most: number, separator = ', '): string {
  const more = texts.length > most ? ` and ${texts.length - most} more` : '';
  return `${texts.slice(0, most).join(separator)}${more}`;
}
