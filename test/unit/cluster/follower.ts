import { nodes } from '../../../agent/cluster/objects.ts';
import type { KubernetesObject } from '../../../agent/cluster/port.ts';
import { type Change, Watched } from '../../../agent/cluster/watch.ts';
import { VirtualClock } from '../../emulators/clock.ts';
import { describeObject, ModelServer } from './modelserver.ts';

/** Everything that follows one server, with what it was told. */
export class Follower {
  readonly clock: VirtualClock;
  readonly server: ModelServer;
  readonly changes: Change<string>[] = [];
  readonly health: (string | undefined)[] = [];
  readonly unreadable: string[] = [];
  readonly watched: Watched<KubernetesObject, string>;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;

  constructor(clock = new VirtualClock(), server = new ModelServer(clock), seed = 0.5, quietLimitMs?: number) {
    this.clock = clock;
    this.server = server;
    this.watched = new Watched<KubernetesObject, string>({
      port: server.port,
      resource: nodes,
      scope: {},
      project: (object) => {
        if (object.metadata.name === 'broken' && object.metadata.resourceVersion !== '1') throw new Error('not so');
        return describeObject(object);
      },
      onChange: (change) => this.changes.push(change),
      onHealth: (problem) => this.health.push(problem?.code),
      onUnreadable: (problem) => this.unreadable.push(problem),
      quietLimitMs,
      clock,
      random: () => seed,
    });
  }

  async start(): Promise<void> {
    this.#running = this.watched.run(this.#stop.signal);
    await this.settle();
  }

  /** Lets promises run until nothing is left to do but wait. */
  async settle(): Promise<void> {
    for (let turns = 0; turns < 3; turns += 1) await this.clock.advance(0);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  told(): string[] {
    return this.changes.map(({ type, key }) => `${type} ${key}`);
  }
}
