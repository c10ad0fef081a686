/** What the health of a pool is judged by, of one of its nodes. */
export interface PoolNode {
  readonly name: string;
  readonly ready: boolean;
  /** `us`: for a reboot, which is no sign of illness. */
  readonly cordonedBy: 'nobody' | 'us' | 'others';
  /** Holds a slot, and has not been away for longer than a reboot takes: it is expected not to be Ready. */
  readonly isRebooting: boolean;
}

export interface PoolHealthSettings {
  /** Nodes of the pool that may be unhealthy; a percentage is rounded down. Undefined: 10 % of them, and at least one. */
  readonly maxUnhealthy: { readonly count: number } | { readonly percent: number } | undefined;
  /** Nodes that somebody else has cordoned count as unhealthy too. */
  readonly countCordoned: boolean;
}

export type PoolHealth =
  | { readonly kind: 'healthy' }
  /** `reason` is one sentence for a person, which names some of them. */
  | { readonly kind: 'unhealthy'; readonly nodes: readonly string[]; readonly reason: string };

const defaultPercent = 10;
const namedAtMost = 3;

/**
 * Whether a roll may take one more node of a pool away. The node that asks never counts: an ill one may be what the reboot is
 * to cure.
 */
export function judgePool(pool: readonly PoolNode[], asker: string, settings: PoolHealthSettings): PoolHealth {
  const most = tolerated(pool.length, settings.maxUnhealthy);
  const nodes = pool
    .filter((node) => node.name !== asker && isUnhealthy(node, settings))
    .map(({ name }) => name)
    .sort();
  if (nodes.length <= most) return { kind: 'healthy' };
  const others = nodes.length > namedAtMost ? ` and ${nodes.length - namedAtMost} more` : '';
  const named = `${nodes.slice(0, namedAtMost).join(', ')}${others}`;
  const reason = `${nodes.length} of ${pool.length} nodes of the pool are not healthy, more than the ${most} allowed: ${named}`;
  return { kind: 'unhealthy', nodes, reason };
}

function isUnhealthy({ ready, cordonedBy, isRebooting }: PoolNode, { countCordoned }: PoolHealthSettings): boolean {
  if (!ready) return !isRebooting;
  return countCordoned && cordonedBy === 'others';
}

function tolerated(nodes: number, most: PoolHealthSettings['maxUnhealthy']): number {
  if (most === undefined) return Math.max(1, Math.floor((nodes * defaultPercent) / 100));
  return 'count' in most ? most.count : Math.floor((nodes * most.percent) / 100);
}
