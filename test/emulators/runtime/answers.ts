import type { Method } from './faults.ts';
import { type RuntimeStore, type StoredContainer, type StoredImage, StoreError } from './store.ts';

/** A message of the protocol as a plain object. */
export type Answer = Record<string, unknown>;

const partSize = 500;
const nanosecondsPerMs = 1_000_000;

/** What each call answers, in the protocol's own fields. */
export const answerers: Readonly<Record<Method, (store: RuntimeStore, argument: string) => Answer | Promise<Answer>>> =
  {
    Version: (store) => ({
      version: '0.1.0',
      runtimeName: store.kind,
      runtimeVersion: '0.0.0-emulated',
      runtimeApiVersion: 'v1',
    }),
    Status: ({ configuredSandboxImage }, argument) => {
      const config = JSON.stringify({ containerd: { snapshotter: 'overlayfs' }, sandboxImage: configuredSandboxImage });
      return {
        status: { conditions: [condition('RuntimeReady'), condition('NetworkReady')] },
        info: argument === 'verbose' && configuredSandboxImage !== undefined ? { config, golang: '"go1.19"' } : {},
      };
    },
    ListImages: images,
    StreamImages: images,
    ListContainers: containers,
    StreamContainers: containers,
    ListPodSandbox: (store) => ({
      items: [...store.sandboxes.values()].map(({ id, state, createdAtMs, pod }) => ({
        id,
        metadata: pod,
        state: state === 'ready' ? 'SANDBOX_READY' : 'SANDBOX_NOTREADY',
        createdAt: createdAtMs * nanosecondsPerMs,
      })),
    }),
    PodSandboxStatus: (store, id) => {
      const sandbox = store.sandboxes.get(id);
      if (sandbox === undefined) throw new StoreError(5, `an error occurred when try to find sandbox: not found`);
      return { info: { info: JSON.stringify({ pid: 4711, image: sandbox.image }) } };
    },
    ContainerStatus: (store, id) => {
      const container = store.containers.get(id);
      if (container === undefined) throw new StoreError(5, `an error occurred when try to find container: not found`);
      const mounts = container.mounts.map((image) => ({ image: { image } }));
      return { status: { id, mounts: [{ containerPath: '/etc/hosts', image: null }, ...mounts] } };
    },
    ImageStatus: (store, reference) => {
      const image = store.resolve(reference);
      return { image: image === undefined ? null : toImage(image) };
    },
    RemoveImage: async (store, reference) => {
      await store.removeImage(reference);
      return {};
    },
    ImageFsInfo: (store) => ({
      imageFilesystems: [{ fsId: { mountpoint: '/emulated' }, usedBytes: { value: store.diskUsedBytes() } }],
    }),
  };

/** The parts in which a long list is streamed. */
export function* streamed(answer: Answer): Generator<Answer> {
  const [field, list] = Object.entries(answer)[0] ?? [];
  if (field === undefined || !Array.isArray(list)) {
    yield answer;
    return;
  }
  for (let start = 0; start < list.length; start += partSize) yield { [field]: list.slice(start, start + partSize) };
}

function condition(type: string): Answer {
  return { type, status: true, reason: '', message: '' };
}

function images(store: RuntimeStore): Answer {
  return { images: [...store.images.values()].map(toImage) };
}

function toImage({ id, tags, digests, sizeBytes, pinned }: StoredImage): Answer {
  return { id, repoTags: tags, repoDigests: digests, size: sizeBytes, pinned };
}

function containers(store: RuntimeStore): Answer {
  return { containers: [...store.containers.values()].map(toContainer) };
}

function toContainer(container: StoredContainer): Answer {
  const { pod } = container;
  return {
    id: container.id,
    podSandboxId: container.sandboxId,
    metadata: { name: container.name },
    image: { image: container.image, userSpecifiedImage: container.userSpecifiedImage },
    imageRef: container.imageId,
    state: `CONTAINER_${container.state.toUpperCase()}`,
    createdAt: container.createdAtMs * nanosecondsPerMs,
    labels:
      pod === undefined
        ? {}
        : {
            'io.kubernetes.container.name': container.name,
            'io.kubernetes.pod.namespace': pod.namespace,
            'io.kubernetes.pod.name': pod.name,
            'io.kubernetes.pod.uid': pod.uid,
          },
  };
}
