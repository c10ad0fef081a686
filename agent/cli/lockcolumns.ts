import type { NodeView } from '../cluster/node.ts';
import { shortDuration } from './columns.ts';
import { recordOf } from './rebootrecord.ts';
import { shortenEnd } from './shorten.ts';
import type { SeenSlot } from './slots.ts';
import type { Column } from './table.ts';
import type { Terminal } from './terminal.ts';

const NONE = '<none>';

/** A slot, and the Node that holds it; undefined where there is none of that name and UID. */
export interface SlotLine {
  readonly slot: SeenSlot;
  readonly node: NodeView | undefined;
}

export interface LockColumnsOptions {
  readonly nowMs: number;
  readonly wide: boolean;
  readonly terminal: Terminal;
}

/** The columns of a table of slots. */
export function lockColumns({ nowMs, wide, terminal }: LockColumnsOptions): readonly Column<SlotLine>[] {
  const age = (thenMs: number | undefined): string => (thenMs === undefined ? NONE : shortDuration(nowMs - thenMs));
  return [
    { title: 'NAME', text: ({ slot }) => slot.name },
    { title: 'POOL', text: ({ slot }) => slot.pool, dropOrder: 2 },
    { title: 'HOLDER', text: ({ slot }) => slot.holder?.node ?? NONE },
    { title: 'HELD', text: ({ slot }) => (slot.holder === undefined ? NONE : age(slot.acquiredAtMs)), align: 'right' },
    { title: 'LAST WRITE', text: ({ slot }) => age(slot.renewedAtMs), align: 'right', dropOrder: 1 },
    {
      title: 'STATE',
      text: holderState,
      paint: (cell, { node }) => (node?.ready === true ? cell : terminal.paint('yellow', cell)),
    },
    {
      title: 'NEXT',
      text: ({ slot }) => (slot.hint === undefined || slot.hint.nodes.length === 0 ? NONE : slot.hint.nodes.join(',')),
      ...(wide ? {} : { shorten: shortenEnd, least: 8 }),
    },
    ...(wide ? [{ title: 'NAMESPACE', text: ({ slot }: SlotLine) => slot.namespace }] : []),
  ];
}

/** `draining`, `rebooting,NotReady`, `gone`: what the holder says of itself, and the control plane of it. */
export function holderState({ slot, node }: SlotLine): string {
  if (slot.holder === undefined) return NONE;
  if (node === undefined) return 'gone';
  return [recordOf(node).state?.phase ?? 'idle', node.ready ? '' : 'NotReady'].filter(Boolean).join(',');
}
