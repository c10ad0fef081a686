import type { Clock } from '../clock.ts';
import { isNodetenderError, messageOf } from '../errors.ts';
import type { RuntimeContainer, RuntimeImage, RuntimePort, RuntimeSandbox } from '../runtime/port.ts';
import type { History } from './history.ts';
import { type ImageRecord, type ImageUser, type Inventory, isNameless, type UnresolvedUse } from './inventory.ts';
import { indexImages } from './references.ts';

/** Someone who needs the image that `reference` means. */
export interface Use {
  readonly reference: string;
  readonly user: ImageUser;
}

/** Uses that the runtime does not know of yet: images named in the specs of pods bound to this node. */
export type UseSource = (signal?: AbortSignal) => Promise<readonly Use[]>;

export interface GathererOptions {
  readonly port: RuntimePort;
  readonly history: History;
  readonly clock: Clock;
  readonly sources?: readonly UseSource[];
}

/** Status calls in flight at once: enough to hide the socket's latency, too few for the runtime to feel. */
const CONCURRENT_CALLS = 8;
/** The configured sandbox image changes only with a restart of the runtime, and matters only while no sandbox runs it. */
const CONFIGURATION_FRESH_MS = 10 * 60_000;

/**
 * Looks at the node. One gatherer serves the sampler and the runs, because what it remembers per container and sandbox
 * spares the runtime a status call for each at every look.
 */
export class Gatherer {
  readonly #options: GathererOptions;
  /** Neither changes in the life of a sandbox or container. Both hold only what the last look listed. */
  #sandboxImages = new Map<string, string>();
  #mountedImages = new Map<string, readonly string[]>();
  #configured: { readonly reference: string | undefined; readonly askedAtMs: number } | undefined;
  /** Containers and sandboxes of the last look, and since when (monotonic) they are the same. */
  #pods: ReadonlySet<string> = new Set();
  #podsSinceMs: number | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: GathererOptions) {
    this.#options = options;
  }

  /**
   * Everything on the node at one moment, also taken into the history. Rejects with the runtime's error where the lists
   * cannot be had; a single use that cannot be told is in `unresolved` instead. Looks do not overlap.
   */
  async gather(signal?: AbortSignal): Promise<Inventory> {
    const look = this.#last.then(() => this.#gather(signal));
    // The caller hears of a failure; here only the end counts, and the inventory is not kept in memory for it.
    this.#last = look.then(
      () => undefined,
      () => undefined,
    );
    return await look;
  }

  async #gather(signal?: AbortSignal): Promise<Inventory> {
    const { port, history, clock, sources = [] } = this.#options;
    // Images come first: an image that is pulled, or a container that is made, after its list was taken then shows as an
    // image nobody lists (and nobody removes), never as one without its container.
    const images = await port.listImages(signal);
    const containers = await port.listContainers(signal);
    const sandboxes = await port.listSandboxes(signal);
    const unresolved: UnresolvedUse[] = [];
    const uses = [
      ...containers.flatMap((container) => containerUses(container, unresolved)),
      ...(await this.#volumeUses(containers, unresolved, signal)),
      ...(await this.#sandboxUses(sandboxes, unresolved, signal)),
    ];
    for (const source of sources) uses.push(...(await source(signal)));
    const configured = await this.#configuredSandboxImage(signal);
    if (configured !== undefined) uses.push({ reference: configured, user: { kind: 'runtime' } });

    const users = await this.#usersOf(images, uses, unresolved, signal);
    history.observe({
      images: images.map((image) => ({ id: image.id, nameless: isNameless(image) })),
      usedIds: new Set([...users].filter(([, known]) => known.some(isInUse)).map(([id]) => id)),
      complete: unresolved.length === 0,
    });
    const records = images.map((image): ImageRecord => {
      return { ...image, users: users.get(image.id) ?? [], ...history.of(image.id) };
    });
    const podsUnchangedMs = this.#comparePods([...containers, ...sandboxes]);
    return { takenAtMs: clock.nowMs(), images: records, unresolved, podsUnchangedMs };
  }

  #comparePods(listed: readonly { readonly id: string }[]): number {
    const nowMs = this.#options.clock.monotonicMs();
    const before = this.#pods;
    this.#pods = new Set(listed.map(({ id }) => id));
    const isSame = before.size === this.#pods.size && before.isSubsetOf(this.#pods);
    if (this.#podsSinceMs === undefined || !isSame) this.#podsSinceMs = nowMs;
    return nowMs - this.#podsSinceMs;
  }

  async #volumeUses(
    containers: readonly RuntimeContainer[],
    unresolved: UnresolvedUse[],
    signal: AbortSignal | undefined,
  ): Promise<Use[]> {
    const before = this.#mountedImages;
    this.#mountedImages = new Map();
    const uses: Use[] = [];
    await forEachOf(containers, async (container) => {
      const user = volumeUser(container);
      const why = `the images mounted into container ${container.name} cannot be told`;
      const references =
        before.get(container.id) ??
        (await orUnresolved({ reference: '', user }, why, unresolved, () => this.#mounts(container.id, signal)));
      if (references === undefined) return;
      this.#mountedImages.set(container.id, references);
      uses.push(...references.map((reference) => ({ reference, user })));
    });
    return uses;
  }

  async #mounts(containerId: string, signal: AbortSignal | undefined): Promise<readonly string[]> {
    return await this.#options.port.mountedImages(containerId, signal);
  }

  async #sandboxUses(
    sandboxes: readonly RuntimeSandbox[],
    unresolved: UnresolvedUse[],
    signal: AbortSignal | undefined,
  ): Promise<Use[]> {
    const before = this.#sandboxImages;
    this.#sandboxImages = new Map();
    const uses: Use[] = [];
    await forEachOf(sandboxes, async (sandbox) => {
      const user: ImageUser = { kind: 'sandbox', id: sandbox.id, pod: sandbox.pod };
      const why = `the image of sandbox ${sandbox.id} cannot be told`;
      const reference =
        before.get(sandbox.id) ??
        (await orUnresolved({ reference: '', user }, why, unresolved, () =>
          this.#options.port.sandboxImage(sandbox.id, signal),
        ));
      // A runtime that does not say is asked again next time; the list of system images covers its pause image.
      if (reference === undefined) return;
      this.#sandboxImages.set(sandbox.id, reference);
      uses.push({ reference, user });
    });
    return uses;
  }

  /**
   * Best effort: containerd up to 1.7 neither pins its pause image nor lists it as used while no pod runs. Where the runtime
   * cannot be asked, what it said last holds, and the list of system images covers the usual names.
   */
  async #configuredSandboxImage(signal: AbortSignal | undefined): Promise<string | undefined> {
    const { port, clock } = this.#options;
    const askedAtMs = clock.monotonicMs();
    const last = this.#configured;
    if (last !== undefined && askedAtMs - last.askedAtMs < CONFIGURATION_FRESH_MS) return last.reference;
    try {
      this.#configured = { reference: await port.configuredSandboxImage(signal), askedAtMs };
    } catch {
      this.#configured = { reference: last?.reference, askedAtMs };
    }
    return this.#configured.reference;
  }

  /** Who uses each image, by ID. What the index does not know the runtime is asked about. */
  async #usersOf(
    images: readonly RuntimeImage[],
    uses: readonly Use[],
    unresolved: UnresolvedUse[],
    signal: AbortSignal | undefined,
  ): Promise<Map<string, ImageUser[]>> {
    const index = indexImages(images);
    const listed = new Set(images.map((image) => image.id));
    const usesByReference = Map.groupBy(uses, (use) => use.reference);
    const users = new Map<string, Set<ImageUser>>();
    await forEachOf([...usesByReference], async ([reference, sameUses]) => {
      let ids = index.resolve(reference);
      if (ids === undefined) {
        try {
          const image = await this.#options.port.imageStatus(reference, signal);
          // No answer: the image is not on the node. An ID that is not listed came after the list: nobody removes it.
          ids = image !== undefined && listed.has(image.id) ? [image.id] : [];
        } catch (error) {
          if (isAway(error)) throw error;
          const why = `the runtime does not say which image it is: ${messageOf(error)}`;
          unresolved.push(...sameUses.map((use) => ({ ...use, why })));
          return;
        }
      }
      for (const id of ids) {
        let known = users.get(id);
        if (known === undefined) users.set(id, (known = new Set()));
        for (const { user } of sameUses) known.add(user);
      }
    });
    return new Map([...users].map(([id, known]) => [id, usersThatCount([...known])]));
  }
}

/** Being named in the runtime's configuration is a reason to stay, and no use that makes an image younger. */
function isInUse({ kind }: ImageUser): boolean {
  return kind !== 'runtime';
}

/** The configuration matters only for an image that nothing uses. */
function usersThatCount(users: ImageUser[]): ImageUser[] {
  const inUse = users.filter(isInUse);
  return inUse.length > 0 ? inUse : users;
}

function containerUses(container: RuntimeContainer, unresolved: UnresolvedUse[]): Use[] {
  const { id, name, state, pod } = container;
  const user: ImageUser = { kind: 'container', id, name, state, pod };
  if (container.imageReferences.length === 0) {
    unresolved.push({ reference: '', user, why: `the runtime names no image for container ${name}` });
  }
  return container.imageReferences.map((reference) => ({ reference, user }));
}

function volumeUser(container: RuntimeContainer): ImageUser {
  return { kind: 'volume', containerId: container.id, containerName: container.name, pod: container.pod };
}

/** The answer, or undefined with an entry in `unresolved`. Only a runtime that is away as a whole rejects. */
async function orUnresolved<T>(
  use: Use,
  what: string,
  unresolved: UnresolvedUse[],
  ask: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (isAway(error)) throw error;
    unresolved.push({ ...use, why: `${what}: ${messageOf(error)}` });
    return undefined;
  }
}

/** Errors that say nothing of the thing asked about, because there was nobody to answer. */
function isAway(error: unknown): boolean {
  return isNodetenderError(
    error,
    'runtime/no-socket',
    'runtime/no-permission',
    'runtime/unavailable',
    'runtime/cancelled',
  );
}

/** Runs `work` for each item, a bounded number at a time; rejects with the first error after those in flight ended. */
async function forEachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const lane = async (): Promise<void> => {
    for (const item of queue) await work(item);
  };
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(CONCURRENT_CALLS, items.length) }, lane));
  const failed = lanes.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
