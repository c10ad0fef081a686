import type { Clock } from '../../../agent/clock.ts';
import { systemClock } from '../../../agent/clock.ts';
import type { PodIdentity } from '../../../agent/runtime/port.ts';
import { GarbageCollector, type RemovalCost } from './garbage-collector.ts';
import { hexOf, normalizeName } from './names.ts';

/** Whose habits to show: containerd removes what is in use, CRI-O refuses; their IDs differ in form. */
export type RuntimeKind = 'containerd' | 'cri-o';

export interface Layer {
  readonly id: string;
  /** Unpacked size: what disk use counts, once per layer. */
  readonly sizeBytes: number;
}

export interface ImageSpec {
  /** Seeds the ID; images of the same seed are the same image. Default: the first name, or a running number. */
  readonly seed?: string;
  readonly tags?: readonly string[];
  readonly digests?: readonly string[];
  /** Compressed content as ListImages says it; default 10 MB. */
  readonly sizeBytes?: number;
  readonly pinned?: boolean;
  /** Default: one layer of its own, of `sizeBytes`. Give several images the same layer to share it. */
  readonly layers?: readonly Layer[];
}

export interface StoredImage {
  readonly id: string;
  readonly tags: readonly string[];
  readonly digests: readonly string[];
  readonly sizeBytes: number;
  readonly pinned: boolean;
  readonly layers: readonly Layer[];
}

export type ContainerState = 'created' | 'running' | 'exited' | 'unknown';

export interface ContainerSpec {
  /** What the creator passes, any reference that resolves. */
  readonly image: string;
  /** What stood in the pod's specification; empty where the runtime is too old to be told. */
  readonly userSpecifiedImage?: string;
  readonly name?: string;
  readonly state?: ContainerState;
  readonly sandboxId?: string;
  /** References of images mounted as volumes. */
  readonly mounts?: readonly string[];
  /** `null`: a container without the kubelet's labels. */
  readonly pod?: PodIdentity | null;
}

export interface StoredContainer {
  readonly id: string;
  readonly name: string;
  state: ContainerState;
  readonly sandboxId: string;
  readonly createdAtMs: number;
  /** The image it was made from, also after that image is gone. */
  readonly imageId: string;
  readonly layers: readonly Layer[];
  readonly image: string;
  readonly userSpecifiedImage: string;
  readonly mounts: readonly string[];
  readonly pod: PodIdentity | undefined;
}

export interface SandboxSpec {
  readonly pod: PodIdentity;
  /** The image it runs (pause); undefined: the runtime does not say. */
  readonly image?: string;
  readonly state?: 'ready' | 'notready';
}

export interface StoredSandbox {
  readonly id: string;
  readonly pod: PodIdentity;
  readonly image: string | undefined;
  state: 'ready' | 'notready';
  readonly createdAtMs: number;
}

/** One image that RemoveImage took away, with what a test of safety wants to know about that moment. */
export interface Removal {
  readonly id: string;
  readonly names: readonly string[];
  /** What the caller sent. */
  readonly reference: string;
  readonly atMs: number;
  /** Containers that used it when the call arrived. */
  readonly usedBy: readonly string[];
}

/** A refusal by the runtime, with the gRPC status code it would carry. */
export class StoreError extends Error {
  readonly grpcCode: number;

  constructor(grpcCode: number, details: string) {
    super(details);
    this.grpcCode = grpcCode;
  }
}

export const defaultPod: PodIdentity = { namespace: 'default', name: 'pod', uid: 'uid-of-pod' };

/** The state of a container runtime: images, containers, sandboxes, and RemoveImage with all its habits. */
export class RuntimeStore {
  readonly kind: RuntimeKind;
  readonly images = new Map<string, StoredImage>();
  readonly containers = new Map<string, StoredContainer>();
  readonly sandboxes = new Map<string, StoredSandbox>();
  /** Every image taken away by RemoveImage, oldest first. */
  readonly removals: Removal[] = [];
  /** As containerd before 2.0 says it in its Status; undefined: the runtime does not say. */
  configuredSandboxImage: string | undefined;
  readonly clock: Clock;
  readonly #collector: GarbageCollector;
  /** Normalised name → ID of the image that holds it: a name belongs to one image. */
  readonly #holders = new Map<string, string>();
  #serial = 0;

  /** Without `cost` removals take no time at all; with it they take the clock's. */
  constructor(options: { kind?: RuntimeKind; clock?: Clock; cost?: RemovalCost } = {}) {
    this.kind = options.kind ?? 'containerd';
    this.clock = options.clock ?? systemClock;
    this.#collector = new GarbageCollector(this.clock, options.cost);
  }

  /** As a pull or an import does; names another image held move to this one. Returns the ID. */
  addImage(spec: ImageSpec): string {
    const seed = spec.seed ?? spec.tags?.[0] ?? spec.digests?.[0] ?? `image ${this.#next()}`;
    const id = this.kind === 'containerd' ? `sha256:${hexOf(seed)}` : hexOf(seed);
    const sizeBytes = spec.sizeBytes ?? 10_000_000;
    const layers = spec.layers ?? [{ id: hexOf(`layer of ${seed}`), sizeBytes }];
    if (!this.images.has(id)) {
      this.images.set(id, { id, tags: [], digests: [], sizeBytes, pinned: spec.pinned ?? false, layers });
    }
    for (const name of [...(spec.tags ?? []), ...(spec.digests ?? [])]) this.tag(id, name);
    return id;
  }

  /** Gives an image one more name, as `ctr images tag` does; one that another image held moves. */
  tag(id: string, name: string): void {
    const image = this.images.get(id);
    if (image === undefined) throw new StoreError(5, `image "${id}": not found`);
    const key = normalizeName(name) ?? name;
    const holder = this.images.get(this.#holders.get(key) ?? '');
    if (holder?.id === id) return;
    if (holder !== undefined) this.images.set(holder.id, without(holder, key));
    this.#holders.set(key, id);
    const names = name.includes('@') ? { digests: [...image.digests, name] } : { tags: [...image.tags, name] };
    this.images.set(id, { ...image, ...names });
  }

  /** As the kubelet does after a pull. Throws where the image does not resolve. Returns the ID. */
  createContainer(spec: ContainerSpec): string {
    const image = this.resolve(spec.image);
    if (image === undefined) throw new StoreError(5, `failed to resolve image "${spec.image}": not found`);
    const id = hexOf(`container ${this.#next()}`);
    const pod =
      spec.pod === null ? undefined : (spec.pod ?? this.sandboxes.get(spec.sandboxId ?? '')?.pod ?? defaultPod);
    this.containers.set(id, {
      id,
      name: spec.name ?? `container-${this.#serial}`,
      state: spec.state ?? 'running',
      sandboxId: spec.sandboxId ?? hexOf(`sandbox of ${pod?.uid ?? id}`),
      createdAtMs: this.clock.nowMs(),
      imageId: image.id,
      layers: image.layers,
      image: spec.image,
      userSpecifiedImage: spec.userSpecifiedImage ?? '',
      mounts: spec.mounts ?? [],
      pod,
    });
    return id;
  }

  setContainerState(id: string, state: ContainerState): void {
    const container = this.containers.get(id);
    if (container !== undefined) container.state = state;
  }

  removeContainer(id: string): void {
    this.containers.delete(id);
  }

  createSandbox(spec: SandboxSpec): string {
    const id = hexOf(`sandbox ${this.#next()}`);
    const createdAtMs = this.clock.nowMs();
    this.sandboxes.set(id, { id, pod: spec.pod, image: spec.image, state: spec.state ?? 'ready', createdAtMs });
    return id;
  }

  setSandboxState(id: string, state: 'ready' | 'notready'): void {
    const sandbox = this.sandboxes.get(id);
    if (sandbox !== undefined) sandbox.state = state;
  }

  removeSandbox(id: string): void {
    this.sandboxes.delete(id);
  }

  /** By name (normalised), full ID, or a unique prefix of an ID's hex digits: the empty one, too, where one image is left. */
  resolve(reference: string): StoredImage | undefined {
    const name = normalizeName(reference);
    const holder = this.images.get(this.#holders.get(name ?? '') ?? '') ?? this.images.get(reference);
    if (holder !== undefined) return holder;
    const hex = reference.replace(/^sha256:/, '');
    if (!/^[0-9a-f]{0,64}$/.test(hex)) return undefined;
    const found = [...this.images.values()].filter((image) => hexDigits(image.id).startsWith(hex));
    if (found.length > 1) throw new StoreError(2, `ambiguous digest string "${reference}"`);
    return found[0];
  }

  /**
   * Removes every reference of one image, then waits for the garbage collection. Unknown and malformed references
   * succeed. As in containerd nothing asks whether the image is in use; CRI-O refuses that.
   */
  async removeImage(reference: string): Promise<void> {
    const image = this.resolve(reference);
    if (image === undefined) return;
    const usedBy = this.usersOf(image.id);
    if (this.kind === 'cri-o' && usedBy.length > 0) {
      throw new StoreError(2, `image used by ${usedBy[0]}: image is in use by a container`);
    }
    this.removals.push({
      id: image.id,
      names: [...image.tags, ...image.digests],
      reference,
      atMs: this.clock.nowMs(),
      usedBy,
    });
    // The bare ID goes last: until the collection is over the image is listed without a name, and a runtime that dies
    // meanwhile leaves it so (https://github.com/containerd/containerd/issues/13875).
    for (const name of [...image.tags, ...image.digests]) this.#holders.delete(normalizeName(name) ?? name);
    this.images.set(image.id, { ...image, tags: [], digests: [] });
    if (!(await this.#collector.collect(this.images.size))) {
      throw new StoreError(14, 'the runtime went away during the call');
    }
    // Something may have named it again meanwhile: then only the old references are gone.
    const left = this.images.get(image.id);
    if (left !== undefined && left.tags.length + left.digests.length === 0) this.images.delete(image.id);
  }

  /** The runtime dies and comes back: removals in flight are lost half way, everything else is on disk. */
  crash(): void {
    this.#collector.abandon();
  }

  /** IDs of the containers made from an image. */
  usersOf(imageId: string): string[] {
    return [...this.containers.values()].filter((container) => container.imageId === imageId).map(({ id }) => id);
  }

  /** Bytes on disk: every layer once, those that only a container still needs included. */
  diskUsedBytes(): number {
    const layers = new Map<string, number>();
    for (const holder of [...this.images.values(), ...this.containers.values()]) {
      for (const layer of holder.layers) layers.set(layer.id, layer.sizeBytes);
    }
    return [...layers.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  #next(): number {
    this.#serial += 1;
    return this.#serial;
  }
}

function without(image: StoredImage, key: string): StoredImage {
  const others = (name: string): boolean => (normalizeName(name) ?? name) !== key;
  return { ...image, tags: image.tags.filter(others), digests: image.digests.filter(others) };
}

function hexDigits(id: string): string {
  return id.replace(/^sha256:/, '');
}
