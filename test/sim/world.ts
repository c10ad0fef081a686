import type { Gatherer, Use } from '../../agent/images/gather.ts';
import type { Inventory } from '../../agent/images/inventory.ts';
import { type PaceSetting, paceOf } from '../../agent/images/pace.ts';
import type { Policy } from '../../agent/images/policy.ts';
import type { Report } from '../../agent/images/report.ts';
import { parseRule } from '../../agent/images/rules.ts';
import type { RuntimePort } from '../../agent/runtime/port.ts';
import { EmulatedNode } from '../emulators/node.ts';
import { Chance } from './random.ts';
import { KEPT, Witness } from './witness.ts';

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** A mistake put into the agent on purpose, to see that it is found: what it sees of the node is changed. */
export type Blindness = (now: Inventory, before: Inventory | undefined) => Inventory;

/** A node on which images and containers come and go, the runtime fails and dies, and clocks are set: all as a seed says. */
export class World {
  readonly node: EmulatedNode;
  readonly witness: Witness;
  readonly chance: Chance;
  readonly #life: { isDead: boolean };
  readonly #pending: Use[];
  readonly #blindness: Blindness | undefined;
  #serial = 0;
  #jumpedMs = 0;

  static async create(seed: number, blindness?: Blindness): Promise<World> {
    const life = { isDead: false };
    const pending: Use[] = [];
    const inner: { witness?: Witness } = {};
    const node = await EmulatedNode.create({
      // Slow on purpose: what happens during a run happens while it runs.
      cost: { collectionMs: 100, perImageMs: 1 },
      sources: [async () => inner.witness?.told([...pending]) ?? []],
      wrap: (port) => mortal(port, life, () => inner.witness),
    });
    inner.witness = new Witness(node.store, node.clock);
    await node.restartAgent();
    return new World(seed, node, inner.witness, life, pending, blindness);
  }

  private constructor(
    seed: number,
    node: EmulatedNode,
    witness: Witness,
    life: { isDead: boolean },
    pending: Use[],
    blindness: Blindness | undefined,
  ) {
    this.chance = new Chance(seed);
    this.node = node;
    this.witness = witness;
    this.#life = life;
    this.#pending = pending;
    this.#blindness = blindness;
  }

  /** Images of all ages and kinds, some in use. */
  async populate(): Promise<void> {
    const { chance, node } = this;
    const { store } = node;
    store.createSandbox({
      pod: this.#pod(),
      image: store.resolve(this.#addImage('registry.k8s.io/pause'))?.tags[0] ?? '',
    });
    for (let wave = chance.between(1, 3); wave > 0; wave -= 1) {
      for (let count = chance.between(5, 60); count > 0; count -= 1) this.#addRandomImage();
      for (let count = chance.between(0, 10); count > 0; count -= 1) this.#startContainer();
      await node.age(chance.between(0, 5 * DAY_MS));
    }
    // What ran until now and is gone has left its image behind.
    for (const id of store.containers.keys()) if (chance.hits(0.3)) store.removeContainer(id);
  }

  randomPolicy(): Policy {
    const { chance } = this;
    return {
      minUnusedMs: chance.pick([0, HOUR_MS, DAY_MS, 3 * DAY_MS]) ?? 0,
      floorMs: 2 * MINUTE_MS,
      removeUnused: true,
      keep: [parseRule(`${KEPT}*`)],
      remove: [],
      requested: undefined,
      keepPreloaded: false,
      keepNewestTags: [],
      keepSystemImages: true,
      removeOrphans: true,
      orphanAfterMs: MINUTE_MS,
      budget: { images: chance.hits(0.2) ? chance.between(1, 40) : undefined, bytes: undefined },
    };
  }

  /** A cleaning while the world goes on. Undefined: the agent was killed in the middle of it. */
  async cleanInTheMiddleOfIt(policy: Policy): Promise<Report | undefined> {
    const { chance, node } = this;
    const over = new AbortController();
    const stop = new AbortController();
    const few: PaceSetting = { burst: chance.between(1, 12), pauseMs: chance.between(0, 200), slowCallMs: 300 };
    const events = this.#goOn(over.signal);
    const killed = chance.hits(0.15) ? this.#killLater(over.signal) : undefined;
    if (chance.hits(0.15)) void this.#later(over.signal, () => stop.abort());
    this.witness.runStarts(policy);
    this.#jumpedMs = 0;
    const run = node.startRun(policy, {
      gatherer: this.#seeing(),
      pace: paceOf(chance.pick<PaceSetting>(['gentle', 'fast', few, few]) ?? few),
      random: chance.next,
      signal: stop.signal,
    });
    const report = await node.clock.run(Promise.race(killed === undefined ? [run] : [run, killed]));
    over.abort();
    await node.clock.run(events);
    node.faults.clear();
    this.witness.checkRemovals();
    if (report === undefined) {
      // A dead process asks for nothing any more; what it had sent the runtime goes on with.
      run.catch(() => undefined);
      await node.clock.advance(MINUTE_MS);
      this.#life.isDead = false;
      this.witness.agentDied();
      // Over a restart a jump cannot be told from time in which the agent watched: see the tests of the history for that.
      this.#setClock(-this.#jumpedMs);
      await node.restartAgent();
    }
    return report;
  }

  /** Peace: nobody starts anything, and enough time for everything that is unused to be old. */
  async rest(): Promise<void> {
    this.#pending.length = 0;
    await this.node.age(HOUR_MS);
    await this.node.age(5 * DAY_MS);
  }

  /** Images that nothing protects by what they are or who uses them. */
  unprotected(): string[] {
    const { store } = this.node;
    return [...store.images.values()]
      .filter(({ id, pinned, tags }) => {
        const isKept = tags.some((tag) => tag.startsWith(KEPT) || tag.includes('/pause:'));
        const isMounted = [...store.containers.values()].some(({ mounts }) =>
          mounts.some((mount) => store.resolve(mount)?.id === id),
        );
        return !pinned && !isKept && !isMounted && store.usersOf(id).length === 0;
      })
      .map(({ id }) => id);
  }

  /** The agent's eyes, with the planted mistake if there is one. */
  #seeing(): Gatherer {
    const { gatherer } = this.node;
    const blindness = this.#blindness;
    if (blindness === undefined) return gatherer;
    let before: Inventory | undefined;
    const gather = async (signal?: AbortSignal): Promise<Inventory> => {
      const now = await gatherer.gather(signal);
      before = blindness(now, before);
      return before;
    };
    return Object.create(gatherer, { gather: { value: gather } }) as Gatherer;
  }

  async #goOn(over: AbortSignal): Promise<void> {
    const { clock } = this.node;
    while (!over.aborted) {
      await clock.sleep(this.chance.between(1, 200), over);
      if (!over.aborted) this.#something(over);
    }
  }

  #something(over: AbortSignal): void {
    const { chance, node } = this;
    const { store, faults } = node;
    const containers = [...store.containers.keys()];
    const event = chance.next();
    if (event < 0.35) this.#startContainer();
    else if (event < 0.5) store.removeContainer(chance.pick(containers) ?? '');
    else if (event < 0.6) store.setContainerState(chance.pick(containers) ?? '', 'exited');
    else if (event < 0.75) this.#addRandomImage();
    else if (event < 0.82) this.#bindPod();
    else if (event < 0.84) this.#setClock(chance.between(-400, 400) * DAY_MS);
    else if (event < 0.86) store.crash();
    else if (event < 0.87) void this.#outage(over);
    else if (event < 0.93) faults.add({ methods: ['RemoveImage'], times: chance.between(1, 5), cut: true });
    else if (event < 0.97) faults.add({ methods: ['RemoveImage'], times: 2, error: { code: 13, details: 'internal' } });
    else faults.add({ times: 5, latencyMs: chance.between(1, 5000) });
  }

  #setClock(jumpMs: number): void {
    this.node.clock.jump(jumpMs);
    this.#jumpedMs += jumpMs;
  }

  /** Mostly shorter than the agent's patience. */
  async #outage(over: AbortSignal): Promise<void> {
    const { clock, faults } = this.node;
    faults.add({ error: { code: 14, details: 'connection refused' } });
    await clock.sleep(this.chance.between(50, this.chance.hits(0.9) ? 10_000 : 60_000), over);
    faults.clear();
  }

  async #later(over: AbortSignal, act: () => void): Promise<void> {
    await this.node.clock.sleep(this.chance.between(1, 1500), over);
    if (!over.aborted) act();
  }

  async #killLater(over: AbortSignal): Promise<undefined> {
    await this.#later(over, () => (this.#life.isDead = true));
    if (!this.#life.isDead) await new Promise(() => undefined);
  }

  #startContainer(): void {
    const { chance, node } = this;
    const images = [...node.store.images.values()].filter(({ tags }) => tags.length > 0);
    const image = chance.pick(images)?.tags[0];
    const volume = chance.pick(images)?.tags[0];
    if (image === undefined || volume === undefined) return;
    const mounts = chance.hits(0.2) ? [volume] : [];
    const state = chance.pick(['running', 'created', 'exited'] as const) ?? 'running';
    node.store.createContainer({ image, state, mounts });
    const bound = this.#pending.findIndex(({ reference }) => reference === image);
    if (bound !== -1) this.#pending.splice(bound, 1);
  }

  /** A pod is bound to the node; its image may be here, or not, and then the runtime may not be able to say so. */
  #bindPod(): void {
    const { chance, node } = this;
    const here = chance.pick([...node.store.images.values()])?.tags[0];
    const reference =
      chance.hits(0.7) && here !== undefined ? here : `docker.io/library/absent:${chance.between(1, 9)}`;
    this.#pending.push({ reference, user: { kind: 'pod', pod: this.#pod() } });
    if (chance.hits(0.5)) {
      node.faults.add({ methods: ['ImageStatus'], times: 4, error: { code: 2, details: 'cannot tell' } });
    }
  }

  #addRandomImage(): void {
    const { chance } = this;
    const kind = chance.next();
    if (kind < 0.1) this.#addImage(`${KEPT}app`);
    else if (kind < 0.2) this.#addImage('docker.io/library/pinned', true);
    else if (kind < 0.25) this.#addImage(undefined);
    else this.#addImage('registry.example/team/app');
  }

  #addImage(repository: string | undefined, pinned = false): string {
    this.#serial += 1;
    const seed = `image ${this.#serial}`;
    const tags = repository === undefined ? [] : [`${repository}:v${this.#serial}`];
    const id = this.node.store.addImage({ seed, tags, pinned });
    this.witness.added(id);
    return id;
  }

  #pod(): { namespace: string; name: string; uid: string } {
    this.#serial += 1;
    return { namespace: 'shop', name: `pod-${this.#serial}`, uid: `uid-${this.#serial}` };
  }
}

/** The connection of a process that can be killed: from then on none of its calls is sent or answered. */
function mortal(port: RuntimePort, life: { isDead: boolean }, witness: () => Witness | undefined): RuntimePort {
  let watched: RuntimePort | undefined;
  const inner = (): RuntimePort => (watched ??= witness()?.watch(port)) ?? port;
  const whileAlive = async <T>(call: (port: RuntimePort) => Promise<T>): Promise<T> => {
    const silence = new Promise<never>(() => undefined);
    if (life.isDead) return await silence;
    const answer = await call(inner());
    return life.isDead ? await silence : answer;
  };
  return {
    version: (signal) => whileAlive((port) => port.version(signal)),
    listImages: (signal) => whileAlive((port) => port.listImages(signal)),
    listContainers: (signal) => whileAlive((port) => port.listContainers(signal)),
    listSandboxes: (signal) => whileAlive((port) => port.listSandboxes(signal)),
    sandboxImage: (id, signal) => whileAlive((port) => port.sandboxImage(id, signal)),
    configuredSandboxImage: (signal) => whileAlive((port) => port.configuredSandboxImage(signal)),
    mountedImages: (id, signal) => whileAlive((port) => port.mountedImages(id, signal)),
    imageStatus: (reference, signal) => whileAlive((port) => port.imageStatus(reference, signal)),
    removeImage: (id) => whileAlive((port) => port.removeImage(id)),
    imageFilesystems: (signal) => whileAlive((port) => port.imageFilesystems(signal)),
    close: () => port.close(),
  };
}
