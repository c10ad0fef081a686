import type { Clock } from '../clock.ts';
import { nodeAnnotations } from '../cluster/names.ts';
import { annotateNode } from './annotate.ts';
import { withCluster } from './cluster.ts';
import { eachOf } from './eachof.ts';
import { exitStatus, type Host } from './host.ts';
import { nodesMatching } from './matching.ts';
import type { ClusterOptions } from './options.ts';
import type { Selection } from './selection.ts';
import { printable } from './table.ts';

export interface HoldOptions extends ClusterOptions {
  readonly reason?: string;
  readonly overwrite?: boolean;
}

/** `nodetender hold`: the agents of these nodes leave them alone. */
export async function holdCommand(selection: Selection, options: HoldOptions, host: Host): Promise<number> {
  return await withCluster(options, async (cluster) => {
    const { terminal } = host;
    const selected = await nodesMatching(cluster, selection, host);
    const reason = options.reason ?? byHand(cluster.clock);
    await eachOf(selected.nodes, async ({ name, annotations }) => {
      const before = annotations.get(nodeAnnotations.hold);
      // Somebody else's reason is what the next person must find.
      if (before !== undefined && options.overwrite !== true) {
        terminal.out(`node/${name} already held${before === '' ? '' : `: ${printable(before)}`}\n`);
        return;
      }
      if (await annotateNode(cluster, name, { hold: reason }, host)) terminal.out(`node/${name} held\n`);
    });
    return selected.missing > 0 ? exitStatus.failed : exitStatus.done;
  });
}

/** `nodetender resume NODE…`: ends their hold. */
export async function endHoldCommand(selection: Selection, options: ClusterOptions, host: Host): Promise<number> {
  return await withCluster(options, async (cluster) => {
    const { terminal } = host;
    const selected = await nodesMatching(cluster, selection, host);
    await eachOf(selected.nodes, async ({ name, annotations }) => {
      if (!annotations.has(nodeAnnotations.hold)) {
        terminal.out(`node/${name} was not held\n`);
        return;
      }
      if (await annotateNode(cluster, name, { hold: null }, host)) terminal.out(`node/${name} resumed\n`);
    });
    return selected.missing > 0 ? exitStatus.failed : exitStatus.done;
  });
}

/** The reason of somebody who gave none: when it was tells enough to ask around. */
export function byHand(clock: Clock): string {
  return `by hand, ${new Date(clock.nowMs()).toISOString()}`;
}
