import * as z from 'zod/mini';
import type { Roster } from './tally.ts';

/** The nodes of one run under way, and the run that they belong to. */
export interface RecordedRoster extends Roster {
  readonly generation: number;
  readonly startedAt: string;
}

/** By the UID of the ImageList. */
export type Rosters = ReadonlyMap<string, RecordedRoster>;

/** Characters of a node's key. */
export const keyLength = 12;
/** All annotations of an object share 256 KiB. Rosters beyond that are made again from the nodes' times of creation. */
const maxLength = 200_000;

const keys = z.string().check(z.refine((text) => text.length % keyLength === 0, 'expected whole keys'));
const schema = z.record(
  z.string(),
  z.object({ generation: z.number(), startedAt: z.string(), nodes: keys, skipped: keys }),
);

export function encodeRosters(rosters: Rosters): string {
  const body: Record<string, z.output<typeof schema>[string]> = {};
  let length = 0;
  for (const [uid, { generation, startedAt, nodes, skipped }] of rosters) {
    length += (nodes.size + skipped.size) * keyLength + 256;
    if (length <= maxLength) {
      body[uid] = { generation, startedAt, nodes: [...nodes].join(''), skipped: [...skipped].join('') };
    }
  }
  return JSON.stringify(body);
}

/** Empty where there are none, or none that can be read. */
export function decodeRosters(value: string | undefined): Rosters {
  try {
    const parsed = schema.parse(JSON.parse(value ?? '{}'));
    return new Map(
      Object.entries(parsed).map(([uid, { nodes, skipped, ...run }]) => [
        uid,
        { ...run, nodes: split(nodes), skipped: split(skipped) },
      ]),
    );
  } catch {
    return new Map();
  }
}

function split(text: string): Set<string> {
  const found = new Set<string>();
  for (let at = 0; at < text.length; at += keyLength) found.add(text.slice(at, at + keyLength));
  return found;
}
