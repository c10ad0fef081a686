import type { Use } from '../../agent/images/gather.ts';
import type { Policy } from '../../agent/images/policy.ts';
import type { Report } from '../../agent/images/report.ts';
import type { RuntimePort } from '../../agent/runtime/port.ts';
import type { VirtualClock } from '../emulators/clock.ts';
import type { RuntimeStore } from '../emulators/runtime/store.ts';

/** Something that must never happen has happened. */
export class Violation extends Error {}

/** Everything with this beginning is kept by a rule in every simulation. */
export const KEPT = 'keep.example/';

interface Look {
  readonly atMs: number;
  readonly usedIds: Set<string>;
  /** Containers as listed, for their volumes. */
  mountingIds: readonly string[];
  hadErrors: boolean;
}

/**
 * Stands between the agent and the runtime, keeps its own account of who used what and when, straight from the store, and
 * objects when an image is sent for removal that must stay. It shares no code with what it watches.
 */
export class Witness {
  readonly #store: RuntimeStore;
  readonly #clock: VirtualClock;
  /** By the monotonic clock, which nobody sets. */
  readonly #addedAtMs = new Map<string, number>();
  #lastSeenUsedMs = new Map<string, number>();
  #lastSeenUsedBeforeRunMs = new Map<string, number>();
  #look: Look = { atMs: 0, usedIds: new Set(), mountingIds: [], hadErrors: false };
  #policy: Policy | undefined;
  #runStartedMs = 0;
  #objection: Violation | undefined;

  constructor(store: RuntimeStore, clock: VirtualClock) {
    this.#store = store;
    this.#clock = clock;
  }

  added(id: string): void {
    if (!this.#addedAtMs.has(id)) this.#addedAtMs.set(id, this.#clock.monotonicMs());
  }

  runStarts(policy: Policy): void {
    this.#policy = policy;
    this.#runStartedMs = this.#clock.monotonicMs();
    this.#remember();
    this.#lastSeenUsedBeforeRunMs = new Map(this.#lastSeenUsedMs);
  }

  /** The history is saved at the end of a run: what a process saw during one dies with it. */
  agentDied(): void {
    this.#lastSeenUsedMs = this.#lastSeenUsedBeforeRunMs;
    this.#look = { ...this.#look, usedIds: new Set() };
  }

  watch(port: RuntimePort): RuntimePort {
    const noting = async <T>(answer: Promise<T>): Promise<T> => {
      try {
        return await answer;
      } catch (error) {
        this.#look.hadErrors = true;
        throw error;
      }
    };
    return {
      ...port,
      listImages: async (signal) => {
        this.#remember();
        this.#look = { atMs: this.#clock.monotonicMs(), usedIds: new Set(), mountingIds: [], hadErrors: false };
        return await noting(port.listImages(signal));
      },
      listContainers: async (signal) => {
        const containers = await noting(port.listContainers(signal));
        for (const { imageId } of this.#store.containers.values()) this.#saw(imageId);
        this.#look.mountingIds = [...this.#store.containers.keys()];
        return containers;
      },
      listSandboxes: async (signal) => {
        const sandboxes = await noting(port.listSandboxes(signal));
        for (const { image } of this.#store.sandboxes.values()) {
          if (image !== undefined) this.#saw(this.#store.resolve(image)?.id);
        }
        return sandboxes;
      },
      sandboxImage: (id, signal) => noting(port.sandboxImage(id, signal)),
      configuredSandboxImage: (signal) => noting(port.configuredSandboxImage(signal)),
      mountedImages: (id, signal) => noting(port.mountedImages(id, signal)),
      imageStatus: (reference, signal) => noting(port.imageStatus(reference, signal)),
      removeImage: async (id) => {
        this.#remember();
        try {
          this.#judge(id);
        } catch (error) {
          // Thrown here it would count as an answer of the runtime.
          this.#objection ??= error as Violation;
        }
        await port.removeImage(id);
        if (!this.#store.images.has(id)) this.#addedAtMs.delete(id);
      },
    };
  }

  /** What the agent is told of pods that the runtime does not know yet: the last step of a look. */
  told(uses: readonly Use[]): readonly Use[] {
    // A container that was listed and is gone by now cannot be asked for its volumes, and needs none.
    for (const id of this.#look.mountingIds) {
      for (const mount of this.#store.containers.get(id)?.mounts ?? []) this.#saw(this.#store.resolve(mount)?.id);
    }
    for (const { reference } of uses) this.#saw(this.#store.resolve(reference)?.id);
    return uses;
  }

  /** Throws the first objection to a removal that was sent. */
  checkRemovals(): void {
    if (this.#objection !== undefined) throw this.#objection;
  }

  /** Each planned image must have ended in exactly one way, and that way must be true. */
  checkReport(report: Report): void {
    const planned = report.plan.remove.map(({ image }) => image.id);
    const ended = [...report.removed, ...report.skipped, ...report.failed].map(({ id }) => id);
    if (planned.toSorted().join() !== ended.toSorted().join()) {
      throw new Violation(`${planned.length} images were planned, ${ended.length} are accounted for`);
    }
    for (const { id, name, cameBack } of report.removed) {
      if (this.#store.images.has(id) && !cameBack) throw new Violation(`${name} is reported as removed, and is there`);
    }
  }

  #saw(id: string | undefined): void {
    if (id !== undefined) this.#look.usedIds.add(id);
  }

  /** A look that failed half-way tells the agent nothing; what it sees in one that did not it must not forget. */
  #remember(): void {
    if (this.#look.hadErrors) return;
    for (const id of this.#look.usedIds) this.#lastSeenUsedMs.set(id, this.#look.atMs);
  }

  #judge(id: string): void {
    const policy = this.#policy;
    if (policy === undefined) throw new Violation('a removal outside of any run');
    if (!/^sha256:[0-9a-f]{64}$/.test(id)) throw new Violation(`${id} is no full ID`);
    const image = this.#store.images.get(id);
    if (image === undefined) return;
    const name = image.tags[0] ?? id;
    const nowMs = this.#clock.monotonicMs();
    const addedMs = this.#addedAtMs.get(id) ?? 0;
    const idleMs = nowMs - Math.max(addedMs, this.#lastSeenUsedMs.get(id) ?? addedMs);
    const isNameless = image.tags.length + image.digests.length === 0;

    if (this.#look.hadErrors) throw new Violation(`${name} is sent although the look before had errors`);
    if (this.#look.usedIds.has(id)) throw new Violation(`${name} is sent, and was in use at the look before`);
    if (image.pinned) throw new Violation(`${name} is sent, and is pinned`);
    if (name.startsWith(KEPT)) throw new Violation(`${name} is sent, and a rule keeps it`);
    if (name.includes('/pause:')) throw new Violation(`${name} is sent, and every pod start needs it`);
    if (addedMs > this.#runStartedMs) throw new Violation(`${name} is sent, and appeared during the run`);
    if (nowMs - addedMs < policy.floorMs) throw new Violation(`${name} is sent, ${nowMs - addedMs} ms old`);
    if (!isNameless && idleMs < policy.minUnusedMs) throw new Violation(`${name} is sent, unused for ${idleMs} ms`);
  }
}
