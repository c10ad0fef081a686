import { shortDuration } from './columns.ts';
import { hasFailed, type NodeRoll, type PoolRoll } from './roll.ts';
import { shortenEnd } from './shorten.ts';
import type { Column } from './table.ts';
import type { Terminal } from './terminal.ts';

const NONE = '<none>';

export interface RollColumnsOptions {
  readonly nowMs: number;
  readonly wide: boolean;
  readonly terminal: Terminal;
}

/** The columns of a table of pools. */
export function poolColumns({ wide, terminal }: RollColumnsOptions): readonly Column<PoolRoll>[] {
  const count = (title: string, of: (pool: PoolRoll) => number): Column<PoolRoll> => {
    return { title, text: (pool) => String(of(pool)), align: 'right' };
  };
  return [
    { title: 'POOL', text: ({ name }) => name },
    {
      title: 'HELD',
      text: ({ held, slots }) => (slots === undefined ? String(held) : `${held}/${slots}`),
      align: 'right',
    },
    count('WAITING', ({ waiting }) => waiting),
    count('BLOCKED', ({ blocked }) => blocked),
    count('FAILED', ({ failed }) => failed),
    count('NODES', ({ nodes }) => nodes),
    {
      title: 'HEALTH',
      text: healthInWords,
      paint: (cell, { health }) => (health.kind === 'healthy' ? cell : terminal.paint('red', cell)),
      ...(wide ? {} : { shorten: shortenEnd, least: 12 }),
    },
  ];
}

/** The columns of a table of the nodes that are on their way. */
export function rollColumns({ nowMs, wide, terminal }: RollColumnsOptions): readonly Column<NodeRoll>[] {
  const age = (thenMs: number | undefined): string => (thenMs === undefined ? NONE : shortDuration(nowMs - thenMs));
  const narrow: readonly Column<NodeRoll>[] = [
    { title: 'POOL', text: ({ pool }) => pool, dropOrder: 2 },
    { title: 'NODE', text: ({ name }) => name },
    {
      title: 'STATE',
      text: ({ phase, ready }) => (ready || phase === 'gone' ? phase : `${phase},NotReady`),
      paint: (cell, roll) => (hasFailed(roll) ? terminal.paint('red', cell) : cell),
    },
    { title: 'FOR', text: ({ sinceMs }) => age(sinceMs), align: 'right' },
    { title: 'SLOT', text: (roll) => slotInWords(roll, nowMs) },
    { title: 'WANTED', text: ({ need }) => age(need?.sinceMs), align: 'right', dropOrder: 1 },
    { title: 'BY', text: ({ need }) => need?.kind ?? NONE, dropOrder: 3 },
    { title: 'REASON', text: ({ reason }) => reason.text, ...(wide ? {} : { shorten: shortenEnd, least: 24 }) },
  ];
  if (!wide) return narrow;
  return [
    ...narrow,
    { title: 'CODE', text: ({ reason }) => reason.code },
    { title: 'FAILURES', text: ({ failures }) => String(failures), align: 'right' },
    { title: 'NEXT TRY', text: ({ retryAtMs }) => (retryAtMs === undefined ? NONE : shortDuration(retryAtMs - nowMs)) },
    { title: 'PACKAGES', text: ({ need }) => need?.packages.join(',') || NONE },
    { title: 'REQUEST', text: ({ need }) => need?.request ?? NONE },
  ];
}

function healthInWords({ nodes, notReady, health }: PoolRoll): string {
  if (health.kind === 'unhealthy') return `no reboot begins: ${health.reason}`;
  if (nodes === 0) return NONE;
  return notReady === 0 ? 'all Ready' : `${notReady} not Ready`;
}

/** `nodetender-default-0 for 5m`, `next`, `place 3`. */
function slotInWords({ slot, heldSinceMs, place }: NodeRoll, nowMs: number): string {
  if (slot !== undefined) {
    return heldSinceMs === undefined ? slot : `${slot} for ${shortDuration(nowMs - heldSinceMs)}`;
  }
  if (place === undefined) return NONE;
  return place === 1 ? 'next' : `place ${place}`;
}
