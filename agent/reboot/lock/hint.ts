/**
 * Whose turn it is at a slot that was given back. No more than a hint: lost, stale or false it costs time, and never lets
 * anybody in.
 */
export interface Hint {
  /** Names of nodes, the oldest need first. */
  readonly nodes: readonly string[];
  /** How many nodes were waiting, so that those who are not named know how wide to spread. */
  readonly waiting: number;
}

/** Of those named the first takes the slot; the others are there in case it has gone meanwhile. */
export const namedAtMost = 3;

/** Three names of the greatest length that Kubernetes allows; anything longer is not ours. */
const maxLength = 1_024;

export function encodeHint({ nodes, waiting }: Hint): string {
  return JSON.stringify({ nodes: nodes.slice(0, namedAtMost), waiting });
}

/** Undefined for what cannot be read, as another version of the agent or a person may have written it. */
export function decodeHint(text: string | undefined): Hint | undefined {
  if (text === undefined || text.length > maxLength) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { nodes, waiting } = value as { readonly nodes?: unknown; readonly waiting?: unknown };
  if (!Array.isArray(nodes) || typeof waiting !== 'number' || !(waiting >= 0)) return undefined;
  return { nodes: nodes.filter((node) => typeof node === 'string').slice(0, namedAtMost), waiting };
}
