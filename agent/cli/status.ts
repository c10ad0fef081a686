import { type NodeView, viewOfNode } from '../cluster/node.ts';
import { nodes } from '../cluster/objects.ts';
import { defaultConfig, loadConfig } from '../config/load.ts';
import { NodetenderError } from '../errors.ts';
import { parseLabelSelector, selectorMatches } from '../node/selectors.ts';
import { type Cluster, withCluster } from './cluster.ts';
import { exitStatus, type Host } from './host.ts';
import { type ClusterOptions, configurationPath, type SelectionOptions } from './options.ts';
import { findPause } from './pause.ts';
import { type Roll, type RollSettings, rollOf } from './roll.ts';
import { chosen, remarks, type RollView, tables } from './rollview.ts';
import { type Selection, selectionOf } from './selection.ts';
import { listSlots } from './slots.ts';
import { watchRoll } from './statuswatch.ts';

export interface StatusOptions extends ClusterOptions, SelectionOptions {
  readonly config?: string;
  readonly output: 'table' | 'wide' | 'json' | 'yaml' | 'name';
  readonly watch?: boolean;
}

/** `nodetender status`: the roll of each pool. */
export async function statusCommand(names: readonly string[], options: StatusOptions, host: Host): Promise<number> {
  const { output } = options;
  if (options.watch === true && output !== 'table' && output !== 'wide') {
    throw new NodetenderError(
      'usage',
      `--watch does not go with -o ${output}: it draws a table, or prints what changes`,
    );
  }
  const isMeant = test(selectionOf(names, options) ?? { by: 'all' });
  const settings = await agentsSettings(options);
  return await withCluster(options, async (cluster) => {
    const { terminal, stop } = host;
    const wide = output === 'wide';
    const view = { isMeant, settings, wide };
    if (options.watch === true) return await watchRoll(cluster, view, host);
    const [listed, slots, pause] = await Promise.all([
      cluster.port.list(nodes, {}, viewOfNode, { signal: stop }),
      listSlots(cluster, stop),
      findPause(cluster, stop),
    ]);
    const nowMs = cluster.clock.nowMs();
    const roll = chosen(rollOf(listed.items, slots, settings, nowMs), listed.items, view);
    const missing = namesWithout(names, options, listed.items);
    for (const name of missing) terminal.err(`error: nodes "${name}" not found\n`);
    if (output === 'name') terminal.out(roll.nodes.map(({ name }) => `node/${name}\n`).join(''));
    else if (output === 'json') {
      terminal.out(`${JSON.stringify(asDocument(cluster, pause?.reason, roll), undefined, 2)}\n`);
    } else if (output === 'yaml') {
      const { stringify } = await import('yaml');
      terminal.out(stringify(asDocument(cluster, pause?.reason, roll)));
    } else {
      terminal.out(tables(roll, { nowMs, wide, terminal, width: wide ? undefined : terminal.columns }));
      terminal.err(remarks(roll, pause));
    }
    return missing.length > 0 ? exitStatus.failed : exitStatus.done;
  });
}

/** How long a reboot may take stands there and nowhere in the cluster. */
async function agentsSettings(options: StatusOptions): Promise<RollSettings> {
  const path = await configurationPath(options);
  const { reboot } = path === undefined ? defaultConfig : await loadConfig(path);
  return { ...reboot, isGiven: path !== undefined };
}

function test(selection: Selection): RollView['isMeant'] {
  switch (selection.by) {
    case 'all':
      return () => true;
    case 'names':
      return ({ name }) => selection.names.includes(name);
    case 'selector': {
      const selector = parseLabelSelector(selection.selector);
      return ({ labels }) => selectorMatches(selector, labels);
    }
  }
}

function namesWithout(
  names: readonly string[],
  options: SelectionOptions,
  all: readonly NodeView[],
): readonly string[] {
  const selection = selectionOf(names, options);
  if (selection?.by !== 'names') return [];
  const known = new Set(all.map(({ name }) => name));
  return selection.names.filter((name) => !known.has(name));
}

/** For programs; null where nothing is there. */
function asDocument({ server, clock }: Cluster, paused: string | undefined, roll: Roll): Record<string, unknown> {
  const time = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString());
  return {
    server,
    takenAt: time(clock.nowMs()),
    paused: paused ?? null,
    pools: roll.pools.map(({ slots, health, ...same }) => ({
      ...same,
      slots: slots ?? null,
      health: health.kind,
      unhealthy: health.kind === 'unhealthy' ? health.reason : null,
    })),
    nodes: roll.nodes.map(({ name, pool, phase, ready, sinceMs, slot, heldSinceMs, place, need, reason, ...rest }) => ({
      name,
      pool,
      state: phase,
      ready,
      since: time(sinceMs),
      slot: slot ?? null,
      heldSince: time(heldSinceMs),
      place: place ?? null,
      need:
        need === undefined
          ? null
          : { kind: need.kind, since: time(need.sinceMs), packages: need.packages, request: need.request ?? null },
      reason,
      failures: rest.failures,
      retryAt: time(rest.retryAtMs),
    })),
    problems: roll.problems,
  };
}
