import { annotationsPatch } from '../cluster/names.ts';
import { nodes } from '../cluster/objects.ts';
import { isNodetenderError, messageOf } from '../errors.ts';
import type { Cluster } from './cluster.ts';
import type { Host } from './host.ts';
import { printable } from './table.ts';

/** Writes annotations of ours to a node. False where it has gone meanwhile, which is told on standard error. */
export async function annotateNode(
  { port }: Cluster,
  name: string,
  values: Parameters<typeof annotationsPatch>[0],
  { terminal, stop }: Host,
): Promise<boolean> {
  try {
    await port.patch(nodes, { name }, { type: 'merge', body: annotationsPatch(values) }, { signal: stop });
    return true;
  } catch (error) {
    if (!isNodetenderError(error, 'cluster/not-found')) throw error;
    terminal.err(`error: ${printable(messageOf(error))}\n`);
    return false;
  }
}
