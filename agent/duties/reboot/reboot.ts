import { Bell } from '../../bell.ts';
import type { Clock, Random } from '../../clock.ts';
import { backoffMs } from '../../backoff.ts';
import { nodes } from '../../cluster/objects.ts';
import type { NodeView } from '../../cluster/node.ts';
import { viewOfNode } from '../../cluster/node.ts';
import type { KubernetesPort } from '../../cluster/port.ts';
import type { Config } from '../../config/load.ts';
import { isNodetenderError, messageOf } from '../../errors.ts';
import type { Boot, HostPort, NeedSource } from '../../host/port.ts';
import type { Logger } from '../../observe/log.ts';
import type { Note } from '../../observe/notify/template.ts';
import { RebootLock } from '../../reboot/lock/lock.ts';
import { poolOf, type Pools, poolsOf } from '../../reboot/lock/pools.ts';
import { next } from '../../reboot/machine.ts';
import { decodeState, recordedState } from '../../reboot/record.ts';
import type { Effect, RebootCall, State } from '../../reboot/state.ts';
import { annotationPrefix, nodeAnnotations } from '../../cluster/names.ts';
import { Asking } from './asking.ts';
import { RebootCondition } from './condition.ts';
import { Draining } from './draining.ts';
import { observationOf, ReadyTime } from './observing.ts';
import { OwnNodeView, recordOn } from './ownnode.ts';
import { writeState } from './writing.ts';

export interface RebootDutyOptions {
  readonly port: KubernetesPort;
  readonly nodeName: string;
  /** The agent's own. */
  readonly namespace: string;
  readonly host: HostPort;
  readonly need: NeedSource;
  readonly config: () => Config['reboot'];
  /** As the watch has it; undefined while there is none. */
  readonly node: () => NodeView | undefined;
  /** Undefined while not known. */
  readonly paused: () => string | false | undefined;
  readonly event: (note: {
    type: 'Normal' | 'Warning';
    reason: string;
    action: string;
    note: string;
    identity: string;
  }) => void;
  readonly notify: (note: Note) => void;
  /** Told after each step. */
  readonly onState?: (state: State) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** After an effect that failed. What it was for is asked anew each time, so nothing is lost by the wait. */
const failedBackoff = { firstMs: 1_000, longestMs: 60_000 };
/** A chain of steps that need no new fact ends long before; more is a defect, and must not become a storm of requests. */
const maxStepsAtOnce = 50;

/** The shell around the reboot machine: gathers what it is told, does what it asks for, decides nothing. */
export class RebootDuty {
  readonly #options: RebootDutyOptions;
  readonly #bell = new Bell();
  readonly #own: OwnNodeView;
  readonly #asking: Asking;
  readonly #draining: Draining;
  readonly #readyTime: ReadyTime;
  readonly #condition: RebootCondition;
  #state: State | undefined;
  /** What is in force stands on the Node: at the start, and after a write without an answer. */
  #isUnsure = true;
  /** The record on the Node as of our last read or write. */
  #record: string | undefined;
  #rebootCall: { readonly call: RebootCall; readonly atMs: number } = { call: { kind: 'none' }, atMs: 0 };
  #lock:
    | { readonly lock: RebootLock; readonly uid: string; readonly stop: AbortController; readonly ended: Promise<void> }
    | undefined;

  constructor(options: RebootDutyOptions) {
    this.#options = options;
    const { clock, config, node } = options;
    this.#own = new OwnNodeView(node, clock);
    this.#readyTime = new ReadyTime(clock);
    this.#condition = new RebootCondition(options);
    this.#asking = new Asking({
      ...options,
      pools: () => this.#pools(),
      reportedBootId: () => this.#own.current?.bootId,
      holders: () => new Set(this.#lock?.lock.slots().flatMap(({ holder }) => holder?.node ?? [])),
    });
    this.#draining = new Draining({ ...options, options: () => config().drain, onChange: () => this.#bell.ring() });
  }

  /** To be called when the Node, the pause or the configuration has changed. */
  look(): void {
    this.#bell.ring();
  }

  /** Until `signal` aborts. What is under way then is found and taken up by the next life. */
  async work(signal: AbortSignal): Promise<void> {
    const following = this.#options.need.follow(() => this.#bell.ring(), signal);
    await this.#turn(signal);
    this.#lock?.stop.abort();
    await Promise.all([following, this.#lock?.ended]);
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#options;
    let failures = 0;
    let steps = 0;
    while (!signal.aborted) {
      try {
        const waitMs = await this.#step(signal);
        failures = 0;
        steps = waitMs > 0 ? 0 : steps + 1;
        if (steps > maxStepsAtOnce) throw new Error(`${maxStepsAtOnce} steps without a new fact`);
        if (waitMs > 0) await this.#rest(waitMs, signal);
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        steps = 0;
        log.warn({ error, failures }, 'a step of the reboot could not be done; it is tried again');
        await this.#rest(backoffMs(failures, failedBackoff, random), signal);
        await clock.sleep(failedBackoff.firstMs, signal);
      }
    }
  }

  /** One look, one decision, its effects. Gives for how long nothing need be done if no fact changes. */
  async #step(signal: AbortSignal): Promise<number> {
    const { host, clock, random, config, paused, need } = this.#options;
    const boot = await host.boot();
    const before = await this.#stateInForce(boot, signal);
    if (before === undefined) return 1_000;
    const { lock } = this.#followLock(before, signal);
    if (before.phase !== 'rebooting') this.#rebootCall = { call: { kind: 'none' }, atMs: 0 };
    const node = this.#own.current;
    // A write that was given up has arrived after all, or a person has changed it: what stands there is in force.
    if (node !== undefined && recordOn(node) !== this.#record) {
      this.#isUnsure = true;
      return 0;
    }
    const facts = observationOf({
      boot,
      need,
      node,
      readyForMs: this.#readyTime.look(node, boot.bootId),
      paused: paused(),
      lock: lock.facts(),
      answers: this.#asking.answers(),
      drain: this.#draining.facts(),
      rebootCall: this.#callFacts(),
      preparingForShutdown: before.phase === 'rebooting' ? await this.#preparing(signal) : undefined,
      config: config(),
      clock,
    });
    const step = next(before, facts, config().settings, random);
    let untilMs = clock.nowMs();
    for (const effect of step.effects) {
      if (effect.kind === 'wait') untilMs = effect.untilMs;
      else await this.#do(effect, node, signal);
    }
    await this.#condition.follow(this.#state ?? before, signal);
    const changed = step.effects.some(({ kind }) => !['wait', 'event', 'notify'].includes(kind));
    return changed ? 0 : Math.max(1, untilMs - clock.nowMs());
  }

  async #do(effect: Exclude<Effect, { kind: 'wait' }>, seen: NodeView | undefined, signal: AbortSignal): Promise<void> {
    const { host, clock, event, notify, nodeName, log } = this.#options;
    const lock = this.#lock?.lock;
    switch (effect.kind) {
      case 'record':
      case 'cordon':
      case 'uncordon':
        await this.#write(effect.kind, effect.state, seen, signal);
        return;
      case 'ask':
        await this.#asking.ask(effect.question, this.#isSlotNear(), signal);
        return;
      case 'acquire': {
        const attempt = await lock?.acquire(signal);
        log.info({ ...attempt }, 'a slot was tried for');
        return;
      }
      case 'confirm':
        await lock?.confirm(effect.slot, signal);
        return;
      case 'release':
        await lock?.release(effect.slot, signal);
        return;
      case 'drain':
        this.#draining.start(signal);
        return;
      case 'stop-drain':
        await this.#draining.stop();
        return;
      case 'reboot':
        await this.#reboot(host, signal);
        return;
      case 'notify':
        notify({ event: effect.message, node: nodeName, pool: this.#poolName(), reason: effect.text });
        return;
      case 'event': {
        const { type, reason, note } = effect;
        log[type === 'Warning' ? 'warn' : 'info']({ event: reason, phase: this.#state?.phase }, note);
        const identity = `${reason} ${this.#state?.sinceMs ?? clock.nowMs()} ${note}`;
        event({ type, reason, action: 'Reboot', note, identity });
        return;
      }
      default:
        effect satisfies never;
    }
  }

  async #write(
    kind: 'record' | 'cordon' | 'uncordon',
    after: State,
    seen: NodeView | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { port, config, onState } = this.#options;
    const before = this.#state;
    if (seen === undefined || before === undefined) throw new Error('written without a Node');
    try {
      const write = { kind, before, after, seen, config: config(), pool: this.#poolName() };
      const written = await writeState(port, write, signal);
      this.#record = recordOn(this.#own.learn(written));
    } catch (error) {
      this.#isUnsure = true;
      throw error;
    }
    this.#state = after;
    if (after.phase === 'waiting' && before.phase !== 'waiting') this.#lock?.lock.queue();
    onState?.(after);
  }

  /** An order that the host may have heard counts as given; one that it refused is a fact like any other. */
  async #reboot(host: HostPort, signal: AbortSignal): Promise<void> {
    const atMs = this.#options.clock.monotonicMs();
    try {
      await host.reboot(signal);
      this.#rebootCall = { call: { kind: 'sent', sentAgoMs: 0 }, atMs };
    } catch (error) {
      const mayHappen = isNodetenderError(error, 'host/reboot-unanswered');
      const call: RebootCall = mayHappen
        ? { kind: 'sent', sentAgoMs: 0 }
        : { kind: 'refused', reason: messageOf(error) };
      this.#rebootCall = { call, atMs };
    }
  }

  #callFacts(): RebootCall {
    const { call, atMs } = this.#rebootCall;
    return call.kind === 'sent' ? { kind: 'sent', sentAgoMs: this.#options.clock.monotonicMs() - atMs } : call;
  }

  async #preparing(signal: AbortSignal): Promise<boolean | undefined> {
    try {
      return await this.#options.host.preparingForShutdown(signal);
    } catch {
      // Not known is a fact for the machine.
      return undefined;
    }
  }

  /** What stands on the Node, read once and after each write without an answer. Undefined while there is no Node. */
  async #stateInForce(boot: Boot, signal: AbortSignal): Promise<State | undefined> {
    const { port, nodeName, clock, log } = this.#options;
    if (!this.#isUnsure && this.#state !== undefined) return this.#state;
    let found;
    try {
      found = await port.get(nodes, { name: nodeName }, { signal });
    } catch (error) {
      if (isNodetenderError(error, 'cluster/not-found')) return undefined;
      throw error;
    }
    this.#record = recordOn(this.#own.learn(found));
    this.#condition.learn(found);
    const isFirst = this.#state === undefined;
    const { state, problem } = recordedState(viewOfNode(found), boot.bootId, clock.nowMs());
    if (problem !== undefined) log.error({ problem }, 'the record of a reboot on the Node is damaged');
    if (isFirst && state.phase === 'rebooting') this.#rebootCall = { call: { kind: 'unknown' }, atMs: 0 };
    this.#state = state;
    this.#isUnsure = false;
    this.#options.onState?.(state);
    return state;
  }

  /** Each Node object has a lock of its own: what an earlier one of the same name held is not ours. */
  #followLock(state: State, signal: AbortSignal): { readonly lock: RebootLock } {
    const uid = this.#own.current?.uid ?? state.nodeUid;
    if (this.#lock?.uid === uid) return this.#lock;
    this.#lock?.stop.abort();
    const { config, nodeName } = this.#options;
    const stop = new AbortController();
    const lock = new RebootLock({
      ...this.#options,
      node: { name: nodeName, uid },
      labels: () => this.#own.current?.labels ?? new Map(),
      settings: () => ({ pools: this.#pools(), staleAfterMs: config().lockStaleAfterMs }),
      recordedSlot: () => this.#state?.slot,
      queuedSince: ({ annotations }) => {
        const decoded = decodeState(annotations?.[`${annotationPrefix}${nodeAnnotations.rebootStatus}`] ?? '');
        return decoded.ok ? decoded.value.need?.sinceMs : undefined;
      },
      onChange: () => this.#bell.ring(),
    });
    this.#lock = { lock, uid, stop, ended: lock.run(AbortSignal.any([signal, stop.signal])) };
    return this.#lock;
  }

  #isSlotNear(): boolean {
    const facts = this.#lock?.lock.facts();
    return facts?.kind === 'held' || (facts?.kind === 'none' && facts.turn);
  }

  #pools(): Pools {
    const { pools, cap } = this.#options.config();
    return poolsOf(pools, cap);
  }

  #poolName(): string {
    return poolOf(this.#pools(), this.#own.current?.labels ?? new Map()).name;
  }

  async #rest(ms: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const until = AbortSignal.any([signal, over.signal]);
    await Promise.race([this.#bell.wait(until), this.#options.clock.sleep(ms, until)]);
    over.abort();
  }
}
