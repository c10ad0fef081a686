import type { Note, Regarding } from '../cluster/events.ts';
import { nameOf } from '../images/inventory.ts';
import { removeMatches } from '../images/matching.ts';
import { subjectOf } from '../images/references.ts';
import type { Report } from '../images/report.ts';
import { boundedNote } from '../node/result.ts';
import type { ImageListView } from './imagelist.ts';

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

/** Images that an ImageList names and that stay because something uses them; undefined where there are none. */
export function inUseNote(list: ImageListView, { plan }: Report, node: Regarding): Note | undefined {
  const used = plan.keep
    .filter(({ code }) => code === 'in-use')
    .filter(({ image }) => list.rules.some((rule) => removeMatches(rule, subjectOf(image))));
  if (used.length === 0) return undefined;
  const names = used.slice(0, maxQuoted).map(({ image }) => nameOf(image));
  const more = used.length > maxQuoted ? ` and ${used.length - maxQuoted} more` : '';
  return {
    regarding: node,
    type: 'Normal',
    reason: 'ImageListImageInUse',
    action: 'CleanImages',
    note: boundedNote(`ImageList ${list.name} names images that are in use and stay: ${names.join(', ')}${more}`),
    identity: `${list.uid} ${list.generation}`,
  };
}
