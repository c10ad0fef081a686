import { Bell } from '../../bell.ts';
import type { Clock, Random } from '../../clock.ts';
import { backoffMs } from '../../backoff.ts';
import { nodes } from '../../cluster/objects.ts';
import type { NodeView } from '../../cluster/node.ts';
import { viewOfNode } from '../../cluster/node.ts';
import type { KubernetesPort } from '../../cluster/port.ts';
import type { Config } from '../../config/load.ts';
import { isNodetenderError, messageOf } from '../../errors.ts';
import type { EventReason } from '../../eventreasons.ts';
import type { Boot, HostPort, NeedSource } from '../../host/port.ts';
import type { Logger } from '../../observe/log.ts';
import type { Note } from '../../observe/notify/template.ts';
import { awayForReboot, holdingLimits } from '../../reboot/lock/holders.ts';
import { poolOf, type Pools, poolsOf, slotsOf } from '../../reboot/lock/pools.ts';
import { next } from '../../reboot/machine.ts';
import { decodeState, type RecordedPool, recordedState } from '../../reboot/record.ts';
import { queuedSinceMs } from '../../reboot/lock/queue.ts';
import type { Effect, State } from '../../reboot/state.ts';
import { annotationPrefix, nodeAnnotations } from '../../cluster/names.ts';
import { Asking, type AskingOptions, type SlotIs } from './asking.ts';
import { Attempts } from './attempts.ts';
import { Conditions } from './conditions.ts';
import { Draining } from './draining.ts';
import { HostGate } from './hostgate.ts';
import { LabelGuard } from './labelguard.ts';
import { Lasting } from './lasting.ts';
import { observationOf, whyNoRequest } from './observing.ts';
import { RebootOrder } from './order.ts';
import { OwnLock } from './ownlock.ts';
import { OwnNodeView, recordOn } from './ownnode.ts';
import { SlotReport } from './slotreport.ts';
import type { RebootWatcher } from './watcher.ts';
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
  /** Monotonic time of the last change of the node's pods that a watch has told of; where none does, they are listed each time. */
  readonly podsChangedAtMs?: (() => number) | undefined;
  readonly checkPause?: AskingOptions['checkPause'];
  /** About this Node, unless `regarding` is another. */
  readonly event: (note: RebootEvent) => void;
  readonly notify: (note: Note) => void;
  /** Resolves when all that was told is on its way or given up, or after so long. */
  readonly notesSent: (ms: number) => Promise<void>;
  readonly watcher?: RebootWatcher | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface RebootEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: EventReason;
  readonly action: string;
  readonly note: string;
  readonly identity: string;
  readonly regarding?: { readonly name: string; readonly uid: string };
}

/** After an effect that failed. What it was for is asked anew each time, so nothing is lost by the wait. */
const failedBackoff = { firstMs: 1_000, longestMs: 60_000 };
/** Half a minute and more: what is still refused then, by a permission or a webhook, will not pass without a person. */
const toldAfterFailures = 5;
/** Nothing has been done to the node yet, or it has been undone: the host can be asked without delay to anything. */
const untouched: ReadonlySet<State['phase']> = new Set(['idle', 'wanted', 'waiting', 'backing-off']);
/** A message that the host's end would swallow; what takes longer is not worth a host that stands empty. */
const lastWordsMs = 3_000;
/** A chain of steps that need no new fact ends long before; more is a defect, and must not become a storm of requests. */
const maxStepsAtOnce = 50;

/** The shell around the reboot machine: gathers what it is told, does what it asks for, decides nothing. */
export class RebootDuty {
  readonly #options: RebootDutyOptions;
  readonly #bell = new Bell();
  readonly #own: OwnNodeView;
  readonly #asking: Asking;
  readonly #draining: Draining;
  readonly #ready: Lasting;
  readonly #unknown: Readonly<Record<'sentinel' | 'pause' | 'slots', Lasting>>;
  readonly #hostGate: HostGate;
  readonly #order: RebootOrder;
  readonly #attempts = new Attempts();
  readonly #lock: OwnLock;
  readonly #labelGuard: LabelGuard;
  readonly #slots: SlotReport;
  readonly #conditions: Conditions;
  #state: State | undefined;
  /** What is in force stands on the Node: at the start, and after a write without an answer. */
  #isUnsure = true;
  /** The value of `nodetender.dev/reboot` that was looked at last. */
  #requested: string | undefined;
  /** The record on the Node as of our last read or write. */
  #record: string | undefined;
  #toldAtMs: number;

  constructor(options: RebootDutyOptions) {
    this.#options = options;
    const { clock, config, node } = options;
    this.#own = new OwnNodeView(node, clock);
    this.#toldAtMs = clock.monotonicMs();
    this.#ready = new Lasting(clock);
    this.#unknown = { sentinel: new Lasting(clock), pause: new Lasting(clock), slots: new Lasting(clock) };
    this.#order = new RebootOrder(options);
    this.#labelGuard = new LabelGuard(clock);
    this.#hostGate = new HostGate({ ...options, reportedBootId: () => this.#own.current?.bootId });
    this.#conditions = new Conditions({
      ...options,
      hostGate: this.#hostGate,
      onDenied: (note) => this.#told({ type: 'Warning', reason: 'RebootImpossible', note }),
    });
    this.#lock = new OwnLock({
      ...options,
      labels: () => this.#own.current?.labels ?? new Map(),
      settings: () => ({ pools: this.#pools(), staleAfterMs: config().lockStaleAfterMs }),
      recordedSlot: () => this.#state?.slot,
      queuedSince: ({ annotations }) => {
        const decoded = decodeState(annotations?.[`${annotationPrefix}${nodeAnnotations.rebootStatus}`] ?? '');
        return decoded.ok ? queuedSinceMs(decoded.value) : undefined;
      },
      onChange: () => this.#bell.ring(),
    });
    this.#slots = new SlotReport({
      ...options,
      followed: () => (this.#lock.current?.facts() === undefined ? undefined : this.#lock.current.slots()),
      limits: () => ({ ...this.#holdingLimits(), pools: this.#poolNames() }),
      warn: (regarding, note, identity) =>
        this.#tell({ type: 'Warning', reason: 'RebootSlotHeld', note, identity, regarding }),
      onChange: () => this.#bell.ring(),
    });
    this.#asking = new Asking({
      ...options,
      host: this.#hostGate,
      pools: () => this.#pools(),
      holders: () => awayForReboot(this.#lock.current?.slots() ?? [], this.#holdingLimits(), clock.nowMs()),
      notReadyBefore: () => this.#state?.notReadyBefore,
    });
    this.#draining = new Draining({
      ...options,
      options: () => config().drain,
      onChange: () => this.#bell.ring(),
      onWarning: (reason, note) => this.#told({ type: 'Warning', reason, note }),
    });
  }

  /** To be called when the Node, the pause or the configuration has changed. */
  look(): void {
    this.#bell.ring();
  }

  /** Until `signal` aborts. What is under way then is found and taken up by the next life. */
  async work(signal: AbortSignal): Promise<void> {
    const following = this.#options.need.follow(() => this.#bell.ring(), signal);
    const reporting = this.#slots.work(signal);
    await this.#turn(signal);
    await Promise.all([following, reporting, this.#lock.end()]);
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#options;
    let steps = 0;
    while (!signal.aborted) {
      try {
        const waitMs = await this.#step(signal);
        steps = waitMs > 0 ? 0 : steps + 1;
        this.#attempts.begin('end of a chain of steps');
        if (steps > maxStepsAtOnce) throw new Error(`${maxStepsAtOnce} steps without a new fact`);
        if (waitMs === 0) continue;
        this.#attempts.succeeded();
        await this.#rest(waitMs, signal);
      } catch (error) {
        if (signal.aborted) return;
        const failures = this.#attempts.failed();
        steps = 0;
        log.warn({ error, failures }, 'a step of the reboot could not be done; it is tried again');
        if (failures === toldAfterFailures) this.#told(stepFailed(error));
        await this.#rest(backoffMs(failedBackoff, failures, random), signal);
        await clock.sleep(failedBackoff.firstMs, signal);
      }
    }
  }

  /** One look, one decision, its effects. Gives for how long nothing need be done if no fact changes. */
  async #step(signal: AbortSignal): Promise<number> {
    const { host, clock, random, config, paused, need, watcher } = this.#options;
    this.#attempts.begin('find the Node');
    const boot = await host.boot();
    const before = await this.#stateInForce(boot, signal);
    // Deleted: its watch tells if it is registered again.
    if (before === undefined) return backoffMs(failedBackoff, this.#attempts.failed(), random);
    this.#attempts.succeeded();
    this.#attempts.begin('look');
    const isNeeded = before.phase !== 'idle' || this.#slots.isWorthFollowing;
    this.#lock.follow(this.#own.current?.uid ?? before.nodeUid, isNeeded, signal);
    this.#order.look(before.phase);
    const node = this.#own.current;
    // A write that was given up has arrived after all, or a person has changed it: what stands there is in force.
    if (node !== undefined && recordOn(node) !== this.#record) {
      this.#isUnsure = true;
      return 0;
    }
    this.#refuse(node?.annotations.get(nodeAnnotations.reboot));
    const facts = observationOf({
      boot,
      need,
      node,
      readyForMs: this.#ready.look(node?.ready === true && node.bootId === boot.bootId),
      unknown: this.#unknown,
      recordedForMs: clock.monotonicMs() - this.#toldAtMs,
      paused: paused(),
      lock: this.#lock.current,
      answers: this.#asking.answers(),
      drain: this.#draining.facts(),
      rebootCall: this.#order.facts(),
      preparingForShutdown: before.phase === 'rebooting' ? await this.#order.preparing(signal) : undefined,
      config: config(),
      clock,
    });
    const step = next(before, facts, config().settings, random);
    this.#attempts.succeeded();
    let untilMs = clock.nowMs();
    for (const effect of step.effects) {
      this.#attempts.begin(effect.kind);
      if (effect.kind === 'wait') untilMs = effect.untilMs;
      else await this.#do(effect, node, signal);
      this.#attempts.succeeded();
    }
    this.#attempts.begin('show');
    let changed = step.effects.some(({ kind }) => !['wait', 'event', 'notify'].includes(kind));
    if (!changed && node !== undefined && this.#labelGuard.isDue(before, node)) {
      changed = true;
      await this.#write('record', before, node, signal);
    }
    const after = this.#state ?? before;
    watcher?.stepped(before, after, step.reason);
    await this.#conditions.show(after, node, signal);
    if (untouched.has(after.phase)) await this.#conditions.lookAtHost(signal);
    this.#attempts.succeeded();
    return changed ? 0 : Math.max(1, untilMs - clock.nowMs());
  }

  async #do(effect: Exclude<Effect, { kind: 'wait' }>, seen: NodeView | undefined, signal: AbortSignal): Promise<void> {
    const { notify, nodeName, log } = this.#options;
    const lock = this.#lock.current;
    switch (effect.kind) {
      case 'record':
      case 'cordon':
      case 'uncordon':
        await this.#write(effect.kind, effect.state, seen, signal);
        return;
      case 'ask':
        await this.#asking.ask(effect.question, this.#slotIs(), signal);
        return;
      case 'acquire': {
        const attempt = await lock?.acquire(signal);
        log.info({ ...attempt }, 'a slot was tried for');
        // It goes with its holder's Node: is that still the one we know?
        if (attempt?.kind === 'refused' && attempt.code === 'taken-away') this.#isUnsure = true;
        return;
      }
      case 'confirm':
        if (lock === undefined) throw new Error('a slot is confirmed while none is followed');
        try {
          await lock.confirm(effect.slot, signal);
        } catch (error) {
          this.#order.prevented(error);
          throw error;
        }
        return;
      case 'release':
        await lock?.release(effect.slot, signal);
        return;
      case 'drain':
        this.#draining.start(effect.ranForMs, signal);
        return;
      case 'stop-drain':
        await this.#draining.stop();
        return;
      case 'reboot':
        await this.#options.notesSent(lastWordsMs);
        await this.#order.give(signal);
        return;
      case 'notify':
        notify({ event: effect.message, node: nodeName, pool: this.#pool().name, reason: effect.text });
        return;
      case 'event':
        this.#told(effect);
        return;
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
    const { port, config, clock } = this.#options;
    const before = this.#state;
    if (seen === undefined || before === undefined) throw new Error('written without a Node');
    const { watched } = this.#own;
    try {
      const write = { kind, before, after, seen, config: config(), pool: this.#pool() };
      const written = await writeState(port, write, signal);
      this.#record = recordOn(this.#own.learn(written, watched));
      if (after.reason !== before.reason) this.#toldAtMs = clock.monotonicMs();
    } catch (error) {
      this.#isUnsure = true;
      throw error;
    }
    this.#state = after;
    if (after.phase === 'waiting' && before.phase !== 'waiting') this.#lock.current?.queue();
  }

  /** An Event and a line of the log about this node, of the phase that it is in. */
  #told({ type, reason, note }: Pick<RebootEvent, 'type' | 'reason' | 'note'>): void {
    const { log, clock } = this.#options;
    log[type === 'Warning' ? 'warn' : 'info']({ event: reason, phase: this.#state?.phase }, note);
    this.#tell({ type, reason, note, identity: `${reason} ${this.#state?.sinceMs ?? clock.nowMs()} ${note}` });
  }

  /** A value of `nodetender.dev/reboot` that may not ask is told of once. */
  #refuse(value: string | undefined): void {
    if (value === this.#requested) return;
    this.#requested = value;
    const why = value === undefined ? undefined : whyNoRequest(value);
    if (why === undefined) return;
    this.#told({ type: 'Warning', reason: 'RebootRequestRefused', note: `nodetender.dev/reboot is refused: ${why}` });
  }

  #tell(note: Omit<RebootEvent, 'action'>): void {
    this.#options.event({ ...note, action: 'Reboot' });
  }

  /** What stands on the Node, read once and after each write without an answer. Undefined while there is no Node. */
  async #stateInForce(boot: Boot, signal: AbortSignal): Promise<State | undefined> {
    const { port, nodeName, clock } = this.#options;
    if (!this.#isUnsure && this.#state !== undefined) return this.#state;
    const { watched } = this.#own;
    let found;
    try {
      found = await port.get(nodes, { name: nodeName }, { signal });
    } catch (error) {
      if (isNodetenderError(error, 'cluster/not-found')) return undefined;
      throw error;
    }
    const before = this.#record;
    this.#record = recordOn(this.#own.learn(found, watched));
    this.#conditions.learn(found);
    const isFirst = this.#state === undefined;
    const { state, problem } = recordedState(viewOfNode(found), boot.bootId, clock.nowMs(), before);
    if (problem !== undefined) this.#told({ type: 'Warning', reason: 'RebootRecordDamaged', note: problem });
    if (isFirst && state.phase === 'rebooting') this.#order.doubt();
    this.#state = state;
    this.#isUnsure = false;
    return state;
  }

  #slotIs(): SlotIs {
    const facts = this.#lock.current?.facts();
    if (facts?.kind === 'held') return 'held';
    return facts?.turn === true ? 'near' : 'far';
  }

  #pools(): Pools {
    const { pools, cap } = this.#options.config();
    return poolsOf(pools, cap);
  }

  #holdingLimits(): ReturnType<typeof holdingLimits> {
    const { settings, drain } = this.#options.config();
    return holdingLimits(settings, drain);
  }

  #poolNames(): ReadonlySet<string> {
    return new Set(this.#pools().list.map(({ name }) => name));
  }

  #pool(): RecordedPool {
    const pools = this.#pools();
    const pool = poolOf(pools, this.#own.current?.labels ?? new Map());
    const slots = 'count' in pool.concurrency ? slotsOf(pool, 0) : this.#lock.current?.poolSlots();
    return { name: pool.name, slots, cap: pools.cap };
  }

  async #rest(ms: number, signal: AbortSignal): Promise<void> {
    await this.#bell.waitAtMost(ms, this.#options.clock, signal);
  }
}

/** What the API server or the host keeps refusing stands in the way of every phase. */
function stepFailed(error: unknown): Pick<RebootEvent, 'type' | 'reason' | 'note'> {
  return {
    type: 'Warning',
    reason: 'RebootStepFailed',
    note: `it is tried again and again, and fails: ${messageOf(error)}`,
  };
}
