import type { ClusterError } from '../cluster/errors.ts';
import { type NodeView, viewOfNode } from '../cluster/node.ts';
import { leases, nodes } from '../cluster/objects.ts';
import { Watched } from '../cluster/watch.ts';
import { type Cluster, isHopeless } from './cluster.ts';
import { exitStatus, type Host } from './host.ts';
import { type Control, FollowedPause, pauseRemark } from './pause.ts';
import { recordOf } from './rebootrecord.ts';
import { type NodeRoll, type Roll, rollOf } from './roll.ts';
import { chosen, remarks, type RollView, tables } from './rollview.ts';
import { type SeenSlot, seenSlot, slotScope } from './slots.ts';
import { printable } from './table.ts';

/** Ages are in whole seconds. */
const REDRAW_MS = 1_000;
/** Until there is something to draw. */
const FIRST_LOOK_MS = 50;

const screen = { clear: '\u001B[2J', home: '\u001B[H', endOfLine: '\u001B[K', endOfScreen: '\u001B[J' };

/** Follows a roll until interrupted: on a screen as tables that are drawn anew, elsewhere as a line for each change. */
export async function watchRoll(cluster: Cluster, view: RollView, host: Host): Promise<number> {
  const { terminal, stop } = host;
  const end = new AbortController();
  const until = AbortSignal.any([stop, end.signal]);
  let refusal: ClusterError | undefined;
  let problem: string | undefined;
  const onHealth = (found: ClusterError | undefined): void => {
    problem = found && `note: ${printable(found.message)}; trying on`;
    if (found !== undefined && isHopeless(found)) {
      refusal = found;
      end.abort();
    } else if (problem !== undefined && terminal.rows === undefined) terminal.err(`${problem}\n`);
  };
  const changes = new Changes((line) => terminal.out(`${clockTime(cluster)} ${printable(line)}\n`));
  const print = (): void => {
    if (terminal.rows !== undefined || !isSynced()) return;
    const all = watchedNodes.values();
    changes.tell(current(all), all, watchedSlots.values(), view);
    changes.tellPause(pause.current);
  };
  const common = { port: cluster.port, clock: cluster.clock, random: cluster.random, onHealth, onChange: print };
  const watchedNodes = new Watched({ ...common, resource: nodes, scope: {}, project: viewOfNode });
  const watchedSlots = new Watched({ ...common, resource: leases, scope: slotScope(cluster), project: seenSlot });
  const pause = new FollowedPause(cluster, print);
  const isSynced = (): boolean => watchedNodes.synced && watchedSlots.synced;
  const current = (all: readonly NodeView[]): Roll => {
    const slots = watchedSlots.values().sort((one, other) => (one.name < other.name ? -1 : 1));
    return chosen(rollOf(all, slots, view.settings, cluster.clock.nowMs()), all, view);
  };
  const draw = async (): Promise<void> => {
    while (!until.aborted) {
      if (isSynced() && terminal.rows !== undefined) {
        const { wide } = view;
        const width = terminal.columns;
        const roll = current(watchedNodes.values());
        const text = tables(roll, { nowMs: cluster.clock.nowMs(), wide, terminal, width });
        terminal.out(drawn(`${text}${remarks(roll, pause.current)}${problem ?? ''}`, terminal.rows));
      }
      await cluster.clock.sleep(isSynced() ? REDRAW_MS : FIRST_LOOK_MS, until);
    }
  };
  const begin = async (): Promise<void> => {
    await Promise.all([watchedNodes.whenSynced(), watchedSlots.whenSynced()]);
    print();
  };
  void begin();
  if (terminal.rows !== undefined) terminal.out(screen.clear);
  await Promise.all([
    watchedNodes.run(until),
    watchedSlots.run(until),
    pause.run(until),
    terminal.rows === undefined ? undefined : draw(),
  ]);
  if (refusal !== undefined) throw refusal;
  return exitStatus.interrupted;
}

/** From the first row, over what was there; what does not fit is counted. */
export function drawn(text: string, rows: number): string {
  const lines = text.trimEnd().split('\n');
  const room = Math.max(1, rows - 1);
  const shown = lines.length <= room ? lines : [...lines.slice(0, room - 1), `… ${lines.length - room + 1} more lines`];
  return `${screen.home}${shown.map((line) => `${line}${screen.endOfLine}\n`).join('')}${screen.endOfScreen}`;
}

/** What has changed since it was last told, as lines for a person or a log. */
export class Changes {
  readonly #line: (text: string) => void;
  readonly #told = new Map<string, string>();
  readonly #notReady = new Set<string>();
  #begun = false;
  #pause = '';

  constructor(line: (text: string) => void) {
    this.#line = line;
  }

  tell(roll: Roll, all: readonly NodeView[], slots: readonly SeenSlot[], { isMeant }: Pick<RollView, 'isMeant'>): void {
    if (!this.#begun && roll.nodes.length === 0) this.#line('no reboot is wanted');
    this.#begun = true;
    for (const { name, holder } of slots) {
      // A slot that was free when we came is no news.
      if (holder !== undefined || this.#told.has(`lease/${name}`)) {
        this.#tell(`lease/${name}`, holder === undefined ? 'is free' : `is held by node/${holder.node}`);
      }
    }
    for (const one of roll.nodes) {
      this.#tell(`node/${one.name}`, inWords(one));
      this.#tellReadiness(one);
    }
    const onTheWay = new Set(roll.nodes.map(({ name }) => name));
    for (const node of all) {
      const key = `node/${node.name}`;
      if (onTheWay.has(node.name) || !this.#told.has(key) || !isMeant(node)) continue;
      const { state } = recordOf(node);
      this.#tell(key, state === undefined ? 'wants no reboot' : `idle: ${state.reason.text}`);
    }
    const present = new Set([...all.map(({ name }) => `node/${name}`), ...slots.map(({ name }) => `lease/${name}`)]);
    for (const key of this.#told.keys()) {
      if (present.has(key) || onTheWay.has(key.replace('node/', ''))) continue;
      this.#line(`${key} is gone`);
      this.#told.delete(key);
    }
  }

  /** Cleanings are paused by it, too; here it is told of for the reboots that do not come. */
  tellPause(control: Control | undefined): void {
    const told = pauseRemark('reboots are', control).trimEnd();
    if (told === this.#pause) return;
    this.#line(told === '' ? 'reboots are paused no more' : told);
    this.#pause = told;
  }

  /** A node that is Ready again says so by going on. */
  #tellReadiness({ name, ready, phase }: NodeRoll): void {
    if (ready) this.#notReady.delete(name);
    else if (phase !== 'gone' && !this.#notReady.has(name)) {
      this.#notReady.add(name);
      this.#line(`node/${name} is not Ready`);
    }
  }

  #tell(key: string, text: string): void {
    if (this.#told.get(key) === text) return;
    this.#told.set(key, text);
    this.#line(`${key} ${text}`);
  }
}

/** The queue moves on with every slot that is handed on: that is told once, of the node that has got it. */
function inWords({ phase, place, pool, reason }: NodeRoll): string {
  return `${phase}: ${place === undefined ? reason.text : `for a slot of pool ${pool}`}`;
}

function clockTime({ clock }: Cluster): string {
  return new Date(clock.nowMs()).toISOString().replace(/\.\d+Z$/, 'Z');
}
