import { type NodeView, viewOfNode } from '../cluster/node.ts';
import { nodes } from '../cluster/objects.ts';
import { isNodetenderError, messageOf } from '../errors.ts';
import type { Cluster } from './cluster.ts';
import { eachOf } from './eachof.ts';
import type { Host } from './host.ts';
import type { Selection } from './selection.ts';
import { printable } from './table.ts';

/** The selected nodes by name; those that do not exist are told on standard error, and the others go on. */
export async function nodesMatching(
  { port }: Cluster,
  selection: Selection,
  { terminal, stop }: Host,
): Promise<{ readonly nodes: readonly NodeView[]; readonly missing: number }> {
  const found: NodeView[] = [];
  let missing = 0;
  if (selection.by === 'names') {
    await eachOf(selection.names, async (name) => {
      try {
        found.push(viewOfNode(await port.get(nodes, { name }, { signal: stop })));
      } catch (error) {
        if (!isNodetenderError(error, 'cluster/not-found')) throw error;
        missing += 1;
        terminal.err(`error: ${printable(messageOf(error))}\n`);
      }
    });
  } else {
    const labelSelector = selection.by === 'selector' ? selection.selector : undefined;
    const { items } = await port.list(nodes, { labelSelector }, viewOfNode, { signal: stop });
    found.push(...items);
    if (items.length === 0) terminal.err('No nodes found\n');
  }
  return { nodes: found.sort(byName), missing };
}

function byName(one: NodeView, other: NodeView): number {
  return one.name < other.name ? -1 : Number(one.name > other.name);
}
