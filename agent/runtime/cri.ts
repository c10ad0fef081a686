import { isNodetenderError, NodetenderError } from '../errors.ts';
import { type CallOptions, type ConnectionOptions, CriConnection } from './connection.ts';
import * as decode from './decode.ts';
import type { RuntimeContainer, RuntimeImage, RuntimePort } from './port.ts';
import type { CriMethod } from './proto.ts';

/** A runtime reached over its socket. */
export interface CriRuntime extends RuntimePort {
  /** Where it is: `unix:///run/containerd/containerd.sock`. */
  readonly endpoint: string;
  /** Whether it lists in streams (CRI 1.36); undefined before the first list. */
  readonly listsInStreams: boolean | undefined;
  /** Whether the runtime holds itself ready. */
  readiness(signal?: AbortSignal): Promise<decode.RuntimeReadiness>;
}

const statusDeadlineMs = 10_000;
const listDeadlineMs = 30_000;
/** Unlinking 100 images of many files keeps one call 18 s on a healthy node; what is cancelled half way leaves litter. */
const removeDeadlineMs = 600_000;

/** A runtime's CRI, over its socket. Throws `usage` where the endpoint is none; connects with the first call. */
export function connectRuntime(options: ConnectionOptions): CriRuntime {
  const connection = new CriConnection(options);
  let listsInStreams: boolean | undefined;

  const read = (deadlineMs: number, signal: AbortSignal | undefined): CallOptions => ({
    deadlineMs,
    signal,
    patient: true,
  });

  /** In a stream where the runtime has it, else in one message. */
  async function list<T>(
    streaming: CriMethod,
    unary: CriMethod,
    part: (response: unknown, method: CriMethod) => T[],
    signal: AbortSignal | undefined,
  ): Promise<T[]> {
    if (listsInStreams !== false) {
      try {
        let count = 0;
        const decodePart = (response: unknown): T[] => {
          const items = part(response, streaming);
          count += items.length;
          refuseTooMany(streaming, count);
          return items;
        };
        const parts = await connection.collect(streaming, {}, decodePart, read(listDeadlineMs, signal));
        listsInStreams = true;
        return parts.flat();
      } catch (error) {
        if (!isNodetenderError(error, 'runtime/unimplemented')) throw error;
        listsInStreams = false;
      }
    }
    return part(await connection.ask(unary, {}, read(listDeadlineMs, signal)), unary);
  }

  return {
    endpoint: connection.endpoint,
    get listsInStreams() {
      return listsInStreams;
    },
    version: async (signal) =>
      decode.decodeVersion(await connection.ask('Version', {}, read(statusDeadlineMs, signal))),
    readiness: async (signal) =>
      decode.decodeReadiness(await connection.ask('Status', { verbose: false }, read(statusDeadlineMs, signal))),
    listImages: async (signal) =>
      decode.refuseDuplicateImages(await list<RuntimeImage>('StreamImages', 'ListImages', decode.decodeImages, signal)),
    listContainers: async (signal) =>
      await list<RuntimeContainer>('StreamContainers', 'ListContainers', decode.decodeContainers, signal),
    listSandboxes: async (signal) =>
      decode.decodeSandboxes(await connection.ask('ListPodSandbox', {}, read(listDeadlineMs, signal))),
    sandboxImage: async (podSandboxId, signal) => {
      const asked = connection.ask('PodSandboxStatus', { podSandboxId, verbose: true }, read(statusDeadlineMs, signal));
      const answer = await orGone(asked);
      return answer === undefined ? undefined : decode.decodeSandboxImage(answer);
    },
    configuredSandboxImage: async (signal) =>
      decode.decodeConfiguredSandboxImage(
        await connection.ask('Status', { verbose: true }, read(statusDeadlineMs, signal)),
      ),
    mountedImages: async (containerId, signal) => {
      const answer = await orGone(connection.ask('ContainerStatus', { containerId }, read(statusDeadlineMs, signal)));
      return answer === undefined ? [] : decode.decodeMountedImages(answer);
    },
    imageStatus: async (image, signal) => {
      const asked = connection.ask('ImageStatus', { image: { image } }, read(statusDeadlineMs, signal));
      const answer = await orGone(asked);
      return answer === undefined ? undefined : decode.decodeImageStatus(answer);
    },
    removeImage: async (id) => {
      refusePartialId(id);
      await orGone(
        connection.ask('RemoveImage', { image: { image: id } }, { deadlineMs: removeDeadlineMs, patient: false }),
      );
    },
    imageFilesystems: async (signal) =>
      decode.decodeFilesystems(await connection.ask('ImageFsInfo', {}, read(statusDeadlineMs, signal))),
    close: () => connection.close(),
  };
}

/** NOT_FOUND is an answer here: what was asked about is gone. */
async function orGone(answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer;
  } catch (error) {
    if (isNodetenderError(error, 'runtime/not-found')) return undefined;
    throw error;
  }
}

/** The runtime takes any unique prefix of an ID, even the empty one, and any name: a mistake of ours must not reach it. */
function refusePartialId(id: string): void {
  if (/^(?:sha256:)?[0-9a-f]{64}$/.test(id)) return;
  throw new NodetenderError(
    'runtime/failed',
    `RemoveImage: expected a full image ID as listed, found "${id}"; nothing was sent`,
  );
}

function refuseTooMany(method: CriMethod, count: number): void {
  if (count <= decode.maxEntries) return;
  throw new NodetenderError(
    'runtime/bad-response',
    `${method}: expected at most ${decode.maxEntries} entries, found more`,
  );
}
