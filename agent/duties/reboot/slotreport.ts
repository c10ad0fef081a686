import type { Clock, Random } from '../../clock.ts';
import { stateLabel } from '../../cluster/names.ts';
import { nodes } from '../../cluster/objects.ts';
import type { KubernetesPort } from '../../cluster/port.ts';
import { isNodetenderError, messageOf } from '../../errors.ts';
import type { Logger } from '../../observe/log.ts';
import {
  type HeldSlot,
  type HolderLimits,
  type HolderNode,
  heldSlots,
  type ObservedSlot,
  silentForMs,
} from '../../reboot/lock/holders.ts';
import type { Slot } from '../../reboot/lock/slot.ts';
import { listSlots } from '../../reboot/lock/slotlist.ts';
import type { RebootWatcher } from './watcher.ts';

export interface SlotReportOptions {
  readonly port: Pick<KubernetesPort, 'get' | 'list'>;
  /** The agent's own. */
  readonly namespace: string;
  readonly nodeName: string;
  /** The slots while this agent follows them; undefined while it does not. */
  readonly followed: () => readonly Slot[] | undefined;
  readonly limits: () => Omit<HolderLimits, 'graceMs'>;
  /** A Warning about that holder's Node. The same from every agent that sees the same. */
  readonly warn: (holder: { readonly name: string; readonly uid: string }, note: string, identity: string) => void;
  readonly watcher?: Pick<RebootWatcher, 'slotsSeen'> | undefined;
  /** Called when `isWorthFollowing` may have changed. */
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/**
 * A thousand nodes that each look so seldom are one look every two seconds, and among ten nodes somebody looks every three
 * minutes. Those that wait for the slot follow it anyway, and look at what they know.
 */
const listEveryMs = 30 * 60_000;
const lookEveryMs = 60_000;
/** Of a holder that is overdue its Node is read; so seldom that waiting stays cheap. */
const askNodeEveryMs = 30 * 60_000;
const maxNodesAsked = 5;
const deadlineMs = 10_000;

/**
 * Speaks for those that cannot: a node that holds a slot and never came back is told of by whoever notices. Nobody is elected
 * for it, as that would cost each agent more than to look for itself; what they say of one slot is one Event to the API server.
 */
export class SlotReport {
  readonly #options: SlotReportOptions;
  readonly #nodes = new Map<string, { readonly node: HolderNode | undefined; readonly askedAtMs: number }>();
  /** By name, those that there were at the last look. */
  #seen: ReadonlyMap<string, { readonly resourceVersion: string; readonly sinceMs: number }> = new Map();
  /** Of what is wrong now. */
  #told: Set<string> = new Set();
  #isWorthFollowing = false;

  constructor(options: SlotReportOptions) {
    this.#options = options;
  }

  /** Something is wrong with a slot, or one is held by this very node, of which the agent should know. */
  get isWorthFollowing(): boolean {
    return this.#isWorthFollowing;
  }

  /** Until `signal` aborts. Never rejects because of what the API server answers. */
  async work(signal: AbortSignal): Promise<void> {
    const { clock, random, followed, watcher, log } = this.#options;
    // Agents that were started together must not look together.
    let listAtMs = clock.monotonicMs() + listEveryMs * random();
    while (!signal.aborted) {
      await clock.sleep(lookEveryMs, signal);
      if (signal.aborted) return;
      const known = followed();
      if (known === undefined) watcher?.slotsSeen(undefined);
      if (known === undefined && clock.monotonicMs() < listAtMs) continue;
      listAtMs = clock.monotonicMs() + listEveryMs * (0.9 + 0.2 * random());
      try {
        await this.#look(known ?? (await this.#list(signal)), signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!isNodetenderError(error)) throw error;
        log.debug({ problem: messageOf(error) }, 'who holds slots could not be read');
      }
    }
  }

  async #look(slots: readonly Slot[], signal: AbortSignal): Promise<void> {
    const { followed, limits, clock, watcher, nodeName, onChange } = this.#options;
    const { comesBackWithinMs } = limits();
    const nowMs = clock.nowMs();
    const observed = this.#observed(slots);
    const overdue = observed.filter((slot) => silentForMs(slot, nowMs) >= comesBackWithinMs);
    await this.#askNodes(new Set(overdue.flatMap(({ holder }) => holder?.node ?? []).slice(0, maxNodesAsked)), signal);
    const asked = new Map([...this.#nodes].flatMap(([name, { node }]) => (node === undefined ? [] : [[name, node]])));
    const held = heldSlots(observed, asked, { ...limits(), graceMs: comesBackWithinMs }, nowMs).map((slot) =>
      // Of a holder whose Node was not read nothing is known.
      this.#nodes.has(slot.node) ? slot : { ...slot, problem: undefined },
    );
    this.#tell(held);
    if (followed() !== undefined) watcher?.slotsSeen(held);
    const isWorthFollowing = held.some(({ problem, node }) => problem !== undefined || node === nodeName);
    if (isWorthFollowing === this.#isWorthFollowing) return;
    this.#isWorthFollowing = isWorthFollowing;
    onChange();
  }

  async #list(signal: AbortSignal): Promise<readonly Slot[]> {
    const { port, namespace } = this.#options;
    return await listSlots(port, namespace, { signal, deadlineMs });
  }

  /** By our own clock since when each is as it is: what stands in a Lease may be missing, or be yet to come. */
  #observed(slots: readonly Slot[]): readonly ObservedSlot[] {
    const nowMs = this.#options.clock.monotonicMs();
    const before = this.#seen;
    this.#seen = new Map(
      slots.map(({ name, resourceVersion }) => {
        const known = before.get(name);
        return [name, known?.resourceVersion === resourceVersion ? known : { resourceVersion, sinceMs: nowMs }];
      }),
    );
    return slots.map((slot) => ({ ...slot, unchangedForMs: nowMs - (this.#seen.get(slot.name)?.sinceMs ?? nowMs) }));
  }

  /** Those that are overdue, and no others any more. */
  async #askNodes(names: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    const nowMs = this.#options.clock.monotonicMs();
    for (const name of this.#nodes.keys()) if (!names.has(name)) this.#nodes.delete(name);
    for (const name of names) {
      const askedAtMs = this.#nodes.get(name)?.askedAtMs;
      const isFresh = askedAtMs !== undefined && nowMs - askedAtMs < askNodeEveryMs;
      // A Lease on its way out names nobody.
      if (!isFresh)
        this.#nodes.set(name, { askedAtMs: nowMs, node: name === '' ? undefined : await this.#ask(name, signal) });
    }
  }

  async #ask(name: string, signal: AbortSignal): Promise<HolderNode | undefined> {
    try {
      const { metadata, status } = await this.#options.port.get(nodes, { name }, { signal, deadlineMs });
      const ready = status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false;
      return { name, uid: metadata.uid, ready, state: metadata.labels?.[stateLabel] };
    } catch (error) {
      if (isNodetenderError(error, 'cluster/not-found')) return undefined;
      throw error;
    }
  }

  #tell(held: readonly HeldSlot[]): void {
    const { warn, log } = this.#options;
    const before = this.#told;
    this.#told = new Set();
    for (const { slot, node, problem } of held) {
      if (problem === undefined) continue;
      const identity = `${slot.name} ${slot.acquiredAtMs ?? ''} ${problem.code}`;
      this.#told.add(identity);
      if (before.has(identity)) continue;
      log.warn({ slot: slot.name, holder: node, problem: problem.code }, problem.text);
      warn({ name: node, uid: slot.holder?.uid ?? '' }, problem.text, identity);
    }
  }
}
