import type { Note, Regarding } from '../cluster/events.ts';
import { nameOf } from '../images/inventory.ts';
import type { KeepCode, KeepDecision } from '../images/plan.ts';
import { boundedNote } from '../node/result.ts';
import type { ImageListView } from './imagelist.ts';
import type { Staying } from './staying.ts';

/** An Event takes 1024 bytes of text. */
const maxQuoted = 5;

/** Entries of an ImageList that are no rule, quoted. */
export function refusedNote(list: ImageListView): Note {
  const { refused, name, uid, generation } = list;
  const quoted = refused.slice(0, maxQuoted).map(({ index, problem }) => `spec.images.${index}: ${problem}`);
  const more = refused.length > maxQuoted ? `; and ${refused.length - maxQuoted} more` : '';
  return {
    regarding: { apiVersion: 'eraser.sh/v1', kind: 'ImageList', name, uid },
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
/** There may be four such reasons beside the use. */
const maxQuotedPutOff = 2;

/** Images that an ImageList names and that stay, by why; undefined where there are none. */
export function stayingNote(list: ImageListView, { inUse, putOff }: Staying, node: Regarding): Note | undefined {
  const parts = putOffWords.flatMap(([wanted, words]) => {
    const left = putOff.filter(({ code }) => code === wanted);
    const [first] = left;
    return first === undefined ? [] : [`${words} (${first.reason}) and stay: ${firstNames(left, maxQuotedPutOff)}`];
  });
  if (inUse.length > 0) parts.push(`are in use and stay: ${firstNames(inUse, maxQuoted)}`);
  if (parts.length === 0) return undefined;
  const isLeft = putOff.length > 0;
  return {
    regarding: node,
    type: isLeft ? 'Warning' : 'Normal',
    reason: isLeft ? 'ImageListImageLeft' : 'ImageListImageInUse',
    action: 'CleanImages',
    note: boundedNote(`ImageList ${list.name} names images that ${parts.join('; that ')}`),
    identity: `${list.uid} ${list.generation}`,
  };
}

function firstNames(decisions: readonly KeepDecision[], most: number): string {
  const names = decisions.slice(0, most).map(({ image }) => nameOf(image));
  return `${names.join(', ')}${decisions.length > most ? ` and ${decisions.length - most} more` : ''}`;
}
