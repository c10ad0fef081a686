import * as z from 'zod/mini';

/**
 * The generation of each ImageList that was begun or adopted last, by its UID. It is also in our mark on the ImageList, but a
 * `kubectl replace` takes that away, and nodes forget their results when there are many lists.
 */
export type Handled = ReadonlyMap<string, number>;

/** More lists than anybody keeps; 25 kB, which fit beside the rosters into what annotations of one object share. */
const maxLists = 500;
const schema = z.record(z.string(), z.number().check(z.int(), z.nonnegative()));

/** The last of them, as many as there is room for. */
export function encodeHandled(handled: Handled): string {
  return JSON.stringify(Object.fromEntries([...handled].slice(-maxLists)));
}

/** Empty where there is none, or none that can be read. */
export function decodeHandled(value: string | undefined): Handled {
  try {
    return new Map(Object.entries(schema.parse(JSON.parse(value ?? '{}'))));
  } catch {
    return new Map();
  }
}
