import { type NodeView, viewOfNode } from '../cluster/node.ts';
import { leases, nodes } from '../cluster/objects.ts';
import { isNodetenderError, NodetenderError } from '../errors.ts';
import { freedBody } from '../reboot/lock/slot.ts';
import { describeHolder } from '../reboot/lock/wording.ts';
import { type Cluster, withCluster } from './cluster.ts';
import { exitStatus, type Host } from './host.ts';
import { holderState, lockColumns, type SlotLine } from './lockcolumns.ts';
import type { ClusterOptions } from './options.ts';
import { recordOf } from './rebootrecord.ts';
import { listSlots, type SeenSlot } from './slots.ts';
import { printable, renderTable } from './table.ts';

export interface LockListOptions extends ClusterOptions {
  readonly output: 'table' | 'wide' | 'json' | 'yaml' | 'name';
}

/** `nodetender lock list`: every slot, and who holds it. */
export async function lockListCommand(
  { output, ...options }: LockListOptions,
  { terminal, stop }: Host,
): Promise<number> {
  return await withCluster(options, async (cluster) => {
    const lines = await slotLines(cluster, stop);
    if (output === 'name') terminal.out(lines.map(({ slot }) => `lease/${slot.name}\n`).join(''));
    else if (output === 'json') terminal.out(`${JSON.stringify(asDocument(cluster, lines), undefined, 2)}\n`);
    else if (output === 'yaml') {
      const { stringify } = await import('yaml');
      terminal.out(stringify(asDocument(cluster, lines)));
    } else if (lines.length === 0) {
      terminal.err('No slots found: no node has ever asked for one, or the agents are in another namespace\n');
    } else {
      const wide = output === 'wide';
      const columns = lockColumns({ nowMs: cluster.clock.nowMs(), wide, terminal });
      terminal.out(renderTable(columns, lines, wide ? undefined : terminal.columns));
    }
    return exitStatus.done;
  });
}

export interface LockReleaseOptions extends ClusterOptions {
  readonly yes?: boolean;
}

/** `nodetender lock release`: takes slots from their holders, after saying what that risks. */
export async function lockReleaseCommand(
  names: readonly string[],
  options: LockReleaseOptions,
  host: Host,
): Promise<number> {
  const { terminal, stop } = host;
  if (options.yes !== true && terminal.ask === undefined) {
    throw new NodetenderError(
      'usage',
      'expected --yes: releasing a slot can let two nodes be down at once, and there is no terminal to ask on',
    );
  }
  return await withCluster(options, async (cluster) => {
    const lines = await slotLines(cluster, stop);
    let status: number = exitStatus.done;
    // All that is named must be there before anything is released.
    for (const line of new Set(names.flatMap((name) => meant(name, lines)))) {
      status = Math.max(status, await release(cluster, line, options.yes === true, host));
      if (stop.aborted) return exitStatus.interrupted;
    }
    return status;
  });
}

async function release(
  { port, clock }: Cluster,
  line: SlotLine,
  isSure: boolean,
  { terminal, stop }: Host,
): Promise<number> {
  const { slot } = line;
  const object = `lease/${slot.name}`;
  if (slot.holder === undefined) {
    terminal.out(`${object} was free\n`);
    return exitStatus.done;
  }
  terminal.err(printable(describeHolder(slot)) + `\n${printable(risk(line))}\n`);
  if (!isSure) {
    const answer = (await terminal.ask?.('Release it? Type yes: ', stop)) ?? '';
    if (answer !== 'yes') {
      terminal.err(`${object} left as it is\n`);
      return exitStatus.failed;
    }
  }
  const { namespace, name, uid, resourceVersion } = slot;
  const { metadata, spec } = freedBody(undefined, clock.nowMs());
  const body = { metadata: { ...metadata, uid, resourceVersion }, spec };
  try {
    await port.patch(leases, { namespace, name }, { type: 'merge', body }, { signal: stop });
  } catch (error) {
    if (!isNodetenderError(error, 'cluster/conflict', 'cluster/not-found')) throw error;
    terminal.err(
      `error: ${object} has changed since it was looked at, and is left as it is; see nodetender lock list\n`,
    );
    return exitStatus.failed;
  }
  terminal.out(`${object} released\n`);
  return exitStatus.done;
}

/** What a person has to know before. */
function risk({ slot, node }: SlotLine): string {
  const who = slot.holder?.node ?? '';
  const next = `Once it is free, the next node of pool ${slot.pool} may be drained and rebooted at once`;
  if (node === undefined) return `There is no such Node any more. ${next}.`;
  const phase = recordOf(node).state?.phase ?? 'idle';
  const reboot = phase === 'idle' ? 'has no reboot under way' : `is in the middle of a reboot (${phase})`;
  if (!node.ready) {
    return `${who} is not Ready and ${reboot}. ${next}, while ${who} is still down. If it never comes back, delete the Node: that frees the slot, too.`;
  }
  if (phase === 'idle') return `${who} is Ready and ${reboot}. ${next}.`;
  return `${who} is Ready and ${reboot}. ${next}, so that two nodes are down together: ${who} sees the loss and backs out only where the host has not been told yet. nodetender hold ${who} makes it back out and give the slot back by itself.`;
}

/** The slots that a person means by their name or by that of their holder. Throws `cluster/not-found` and `usage`. */
function meant(text: string, lines: readonly SlotLine[]): readonly SlotLine[] {
  const [, kind, name = ''] = /^(?:(nodes?|leases?)\/)?(.*)$/.exec(text) ?? [];
  const found = lines.filter(
    ({ slot }) =>
      (slot.name === name && kind?.startsWith('node') !== true) ||
      (slot.holder?.node === name && kind?.startsWith('lease') !== true),
  );
  const places = new Set(found.map(({ slot }) => slot.namespace));
  if (places.size > 1) {
    const all = [...places].join(', ');
    throw new NodetenderError('usage', `"${name}" is in several namespaces: ${all}. Choose one with --namespace`);
  }
  if (found.length > 0) return found;
  const held = lines.flatMap(({ slot }) => (slot.holder === undefined ? [] : [describeHolder(slot)]));
  const all = held.length === 0 ? 'no slot is held' : held.join(', ');
  throw new NodetenderError('cluster/not-found', `"${text}" is neither a slot nor the holder of one: ${all}`);
}

async function slotLines(cluster: Cluster, signal: AbortSignal): Promise<readonly SlotLine[]> {
  const [slots, listed] = await Promise.all([
    listSlots(cluster, signal),
    cluster.port.list(nodes, {}, viewOfNode, { signal }),
  ]);
  const byName = new Map(listed.items.map((node) => [node.name, node]));
  return slots.map((slot) => ({ slot, node: holderOf(slot, byName) }));
}

/** One that was registered again under the same name holds nothing. */
function holderOf({ holder }: SeenSlot, byName: ReadonlyMap<string, NodeView>): NodeView | undefined {
  const node = byName.get(holder?.node ?? '');
  return holder?.uid === undefined || node?.uid === holder.uid ? node : undefined;
}

/** For programs; null where nothing is there. */
function asDocument({ server, clock }: Cluster, lines: readonly SlotLine[]): Record<string, unknown> {
  const time = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString());
  return {
    server,
    takenAt: time(clock.nowMs()),
    slots: lines.map(({ slot, node }) => ({
      namespace: slot.namespace,
      name: slot.name,
      pool: slot.pool,
      holder: slot.holder?.node ?? null,
      heldSince: slot.holder === undefined ? null : time(slot.acquiredAtMs),
      lastWrite: time(slot.renewedAtMs),
      state: slot.holder === undefined ? null : holderState({ slot, node }),
      next: slot.hint?.nodes ?? [],
    })),
  };
}
