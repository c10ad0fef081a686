import type { UseSource } from '../../agent/images/gather.ts';
import { Gatherer } from '../../agent/images/gather.ts';
import { History } from '../../agent/images/history.ts';
import { paceOf } from '../../agent/images/pace.ts';
import type { Policy } from '../../agent/images/policy.ts';
import type { Report } from '../../agent/images/report.ts';
import { runCleaning, type RunOptions } from '../../agent/images/runner.ts';
import type { RuntimePort } from '../../agent/runtime/port.ts';
import { VirtualClock } from './clock.ts';
import { Faults } from './runtime/faults.ts';
import type { RemovalCost } from './runtime/garbage-collector.ts';
import { inMemoryPort } from './runtime/in-memory-port.ts';
import { RuntimeStore, type RuntimeKind } from './runtime/store.ts';
import { StateDirectory } from './state-directory.ts';

export interface NodeOptions {
  readonly kind?: RuntimeKind;
  readonly cost?: RemovalCost;
  readonly sources?: readonly UseSource[];
  /** Puts something between the agent and the runtime. */
  readonly wrap?: (port: RuntimePort) => RuntimePort;
}

/** A node in memory on a virtual clock: a runtime, a state directory, and the agent's images room on top of them. */
export class EmulatedNode {
  readonly clock = new VirtualClock();
  readonly directory = new StateDirectory();
  readonly faults = new Faults();
  readonly store: RuntimeStore;
  readonly port: RuntimePort;
  readonly #options: NodeOptions;
  #history: History | undefined;
  #gatherer: Gatherer | undefined;

  private constructor(options: NodeOptions) {
    const { clock, faults } = this;
    this.#options = options;
    this.store = new RuntimeStore({ clock, kind: options.kind ?? 'containerd', ...pick('cost', options.cost) });
    const port = inMemoryPort(this.store, { clock, faults });
    this.port = options.wrap?.(port) ?? port;
  }

  static async create(options: NodeOptions = {}): Promise<EmulatedNode> {
    const node = new EmulatedNode(options);
    await node.restartAgent();
    return node;
  }

  /** A new process with the history of the old one, as far as that was saved. */
  async restartAgent(): Promise<void> {
    const { clock, directory, port } = this;
    // A test lets a week pass in one step, and means a week in which the agent ran and looked.
    const watchGapMs = Number.POSITIVE_INFINITY;
    this.#history = await History.open({ directory: '/state', clock, fileSystem: directory, watchGapMs });
    this.#gatherer = new Gatherer({ port, history: this.history, clock, ...pick('sources', this.#options.sources) });
  }

  get history(): History {
    if (this.#history === undefined) throw new Error('the agent was not started');
    return this.#history;
  }

  get gatherer(): Gatherer {
    if (this.#gatherer === undefined) throw new Error('the agent was not started');
    return this.#gatherer;
  }

  /** Lets time pass between two looks, so that what is there ages. */
  async age(ms: number): Promise<void> {
    await this.clock.run(this.gatherer.gather());
    await this.clock.advance(ms);
    await this.clock.run(this.gatherer.gather());
    await this.history.save();
  }

  /** One cleaning, with the clock left to others. */
  async startRun(policy: Policy, options: Partial<RunOptions> = {}): Promise<Report> {
    return await runCleaning({
      trigger: 'schedule',
      dryRun: false,
      port: this.port,
      gatherer: this.gatherer,
      history: this.history,
      policy: () => policy,
      pace: paceOf('gentle'),
      clock: this.clock,
      random: () => 0.5,
      ...options,
    });
  }

  /** One cleaning from beginning to end. */
  async clean(policy: Policy, options: Partial<RunOptions> = {}): Promise<Report> {
    return await this.clock.run(this.startRun(policy, options));
  }

  /** Arguments of the RemoveImage calls that arrived. */
  removeCalls(): string[] {
    return this.faults.calls.filter(({ method }) => method === 'RemoveImage').map(({ argument }) => argument);
  }
}

function pick<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}
