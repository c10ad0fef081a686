/**
 * What the agent needs of a container runtime, in plain values. Times are milliseconds since the epoch, sizes bytes.
 * Every call has a deadline of its own and rejects with a NodetenderError whose code begins `runtime/`.
 */
export interface RuntimePort {
  /** Name and version, as the runtime says them. */
  version(signal?: AbortSignal): Promise<RuntimeVersion>;
  /** Every image, in the runtime's order. */
  listImages(signal?: AbortSignal): Promise<readonly RuntimeImage[]>;
  /** Every container in any state: one that is created or exited uses its image too. */
  listContainers(signal?: AbortSignal): Promise<readonly RuntimeContainer[]>;
  /** Every pod sandbox in any state. */
  listSandboxes(signal?: AbortSignal): Promise<readonly RuntimeSandbox[]>;
  /** The reference of the image a sandbox itself runs (pause), or undefined where the runtime does not say or the sandbox is gone. */
  sandboxImage(sandboxId: string, signal?: AbortSignal): Promise<string | undefined>;
  /** The image of which the runtime is configured to make sandboxes, or undefined where it does not say (containerd 2.x pins it instead). */
  configuredSandboxImage(signal?: AbortSignal): Promise<string | undefined>;
  /** References of the images mounted into a container as volumes; empty when the container is gone. */
  mountedImages(containerId: string, signal?: AbortSignal): Promise<readonly string[]>;
  /** The image a reference resolves to, by the runtime's own rules, or undefined when it is not on the node. */
  imageStatus(reference: string, signal?: AbortSignal): Promise<RuntimeImage | undefined>;
  /**
   * Removes every reference of one image. `id` must be a full ID as listed. An image already gone is success.
   * Takes no signal on purpose: a cancelled call leaves an ID-only record that pins its snapshots
   * (https://github.com/containerd/containerd/issues/13875), so a call once sent is awaited.
   */
  removeImage(id: string): Promise<void>;
  /** The file systems that hold images, as the runtime names them. */
  imageFilesystems(signal?: AbortSignal): Promise<readonly RuntimeFilesystem[]>;
  /** Ends the connection. Calls in flight are rejected with `runtime/cancelled`. */
  close(): void;
}

export interface RuntimeVersion {
  /** For example `containerd` or `cri-o`. */
  readonly name: string;
  readonly version: string;
  readonly apiVersion: string;
}

export interface RuntimeImage {
  /** As listed: `sha256:` and 64 hex digits (containerd), or 64 hex digits (CRI-O). */
  readonly id: string;
  /** `repository:tag`, may be empty. */
  readonly tags: readonly string[];
  /** `repository@sha256:…`, may be empty. */
  readonly digests: readonly string[];
  /** Compressed content, shared layers counted in full: not what removal frees. */
  readonly sizeBytes: number;
  /** A hint of the runtime that the image must stay; RemoveImage does not honour it. */
  readonly pinned: boolean;
}

export interface PodIdentity {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface RuntimeContainer {
  readonly id: string;
  readonly name: string;
  readonly state: 'created' | 'running' | 'exited' | 'unknown';
  readonly sandboxId: string;
  readonly createdAtMs: number;
  /** Every name by which the runtime says what image this is (ID, reference, what the user wrote), without duplicates. */
  readonly imageReferences: readonly string[];
  /** From the kubelet's labels; undefined for a container nobody labelled. */
  readonly pod: PodIdentity | undefined;
}

export interface RuntimeSandbox {
  readonly id: string;
  readonly state: 'ready' | 'notready';
  readonly createdAtMs: number;
  readonly pod: PodIdentity;
}

export interface RuntimeFilesystem {
  readonly mountpoint: string;
  readonly usedBytes: number;
}
