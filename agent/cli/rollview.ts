import type { NodeView } from '../cluster/node.ts';
import { plural } from '../images/wording.ts';
import { hasFailed, type Roll, type RollSettings } from './roll.ts';
import { type Control, pauseRemark } from './pause.ts';
import { poolColumns, rollColumns } from './rollcolumns.ts';
import { printable, renderTable } from './table.ts';
import type { Terminal } from './terminal.ts';

/** What of a roll is shown, and how. */
export interface RollView {
  readonly isMeant: (node: Pick<NodeView, 'name' | 'labels'>) => boolean;
  readonly settings: RollSettings;
  readonly wide: boolean;
}

/** The pools stay whole: who is not shown may still be in the way. */
export function chosen(roll: Roll, all: readonly NodeView[], { isMeant }: Pick<RollView, 'isMeant'>): Roll {
  const byName = new Map(all.map((node) => [node.name, node]));
  const nodes = roll.nodes.filter(({ name }) => isMeant(byName.get(name) ?? { name, labels: new Map() }));
  return { ...roll, nodes };
}

export function tables(
  roll: Roll,
  { nowMs, wide, terminal, width }: { nowMs: number; wide: boolean; terminal: Terminal; width: number | undefined },
): string {
  const options = { nowMs, wide, terminal };
  const pools = roll.pools.length === 0 ? '' : renderTable(poolColumns(options), roll.pools, width);
  return roll.nodes.length === 0 ? pools : `${pools}\n${renderTable(rollColumns(options), roll.nodes, width)}`;
}

export function remarks({ pools, nodes, problems }: Roll, control: Control | undefined): string {
  const failed = nodes.filter(hasFailed).length;
  const sum =
    nodes.length === 0
      ? 'no reboot is wanted'
      : `${plural(nodes.length, 'node')} on the way${failed > 0 ? `, ${failed} to be looked at` : ''}`;
  const unknown = pools.filter(({ slots }) => slots === undefined).map(({ name }) => name);
  const note =
    unknown.length === 0
      ? ''
      : `note: how many slots ${unknown.join(', ')} may have is in the agents' configuration, and no agent has recorded it; --config reads it\n`;
  const pause = pauseRemark('reboots are', control);
  return `\n${sum}\n${pause}${note}${problems.map((problem) => `${printable(problem)}\n`).join('')}`;
}
