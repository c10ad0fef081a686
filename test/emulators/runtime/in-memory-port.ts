import { systemClock, type Clock } from '../../../agent/clock.ts';
import { NodetenderError } from '../../../agent/errors.ts';
import { cancelledError, grpcStatus, runtimeError } from '../../../agent/runtime/errors.ts';
import type { RuntimeContainer, RuntimeImage, RuntimePort } from '../../../agent/runtime/port.ts';
import { Faults, type Method } from './faults.ts';
import { type RuntimeStore, type StoredContainer, type StoredImage, StoreError } from './store.ts';

const endpoint = 'unix:///emulated.sock';

/**
 * The store as a RuntimePort without a socket: for simulations, where thousands of runs take seconds. Faults strike as
 * they do over a socket, except `corrupt`.
 */
export function inMemoryPort(
  store: RuntimeStore,
  options: { readonly clock?: Clock; readonly faults?: Faults } = {},
): RuntimePort {
  const clock = options.clock ?? systemClock;
  const faults = options.faults ?? new Faults();
  const closed = new AbortController();

  async function call<T>(
    method: Method,
    argument: string,
    signal: AbortSignal | undefined,
    work: () => T | Promise<T>,
  ): Promise<T> {
    const stop = signal === undefined ? closed.signal : AbortSignal.any([closed.signal, signal]);
    const fail = (code: number, details: string): NodetenderError =>
      runtimeError({ code, details }, { method, endpoint, deadlineMs: deadlineMs(method) });
    const orStopped = (): void => {
      if (stop.aborted) throw cancelledError(method);
    };
    orStopped();
    const fault = faults.take(method, argument);
    if (fault?.hang === true) {
      await clock.sleep(deadlineMs(method), stop);
      orStopped();
      throw fail(grpcStatus.deadlineExceeded, 'Deadline exceeded');
    }
    // One turn of the event loop at least, as any real answer takes.
    await (fault?.latencyMs === undefined ? Promise.resolve() : clock.sleep(fault.latencyMs, stop));
    orStopped();
    if (fault?.error !== undefined) throw fail(fault.error.code, fault.error.details);
    let result: T;
    try {
      result = await work();
    } catch (error) {
      throw error instanceof StoreError ? fail(error.grpcCode, error.message) : error;
    }
    orStopped();
    if (fault?.cut === true) throw fail(grpcStatus.unavailable, 'Connection dropped');
    return result;
  }

  return {
    version: (signal) =>
      call('Version', '', signal, () => ({ name: store.kind, version: '0.0.0-emulated', apiVersion: 'v1' })),
    listImages: (signal) => call('ListImages', '', signal, () => [...store.images.values()].map(toImage)),
    listContainers: (signal) =>
      call('ListContainers', '', signal, () => [...store.containers.values()].map(toContainer)),
    listSandboxes: (signal) =>
      call('ListPodSandbox', '', signal, () =>
        [...store.sandboxes.values()].map(({ id, state, createdAtMs, pod }) => ({ id, state, createdAtMs, pod })),
      ),
    sandboxImage: (id, signal) => call('PodSandboxStatus', id, signal, () => store.sandboxes.get(id)?.image),
    configuredSandboxImage: (signal) => call('Status', '', signal, () => store.configuredSandboxImage),
    mountedImages: (id, signal) => call('ContainerStatus', id, signal, () => store.containers.get(id)?.mounts ?? []),
    imageStatus: (reference, signal) =>
      call('ImageStatus', reference, signal, () => {
        const image = store.resolve(reference);
        return image === undefined ? undefined : toImage(image);
      }),
    removeImage: (id) => call('RemoveImage', id, undefined, () => store.removeImage(id)),
    imageFilesystems: (signal) =>
      call('ImageFsInfo', '', signal, () => [{ mountpoint: '/emulated', usedBytes: store.diskUsedBytes() }]),
    close: () => closed.abort(),
  };
}

function deadlineMs(method: Method): number {
  return method === 'RemoveImage' ? 600_000 : 30_000;
}

function toImage({ id, tags, digests, sizeBytes, pinned }: StoredImage): RuntimeImage {
  return { id, tags: [...tags], digests: [...digests], sizeBytes, pinned };
}

function toContainer(container: StoredContainer): RuntimeContainer {
  const { id, name, state, sandboxId, createdAtMs, pod } = container;
  const imageReferences = [
    ...new Set([container.imageId, container.image, container.userSpecifiedImage].filter((text) => text !== '')),
  ];
  return { id, name, state, sandboxId, createdAtMs, imageReferences, pod };
}
