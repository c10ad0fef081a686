import type { ErrorCode } from '../errors.ts';
import { isNodetenderError } from '../errors.ts';
import type { RuntimePort } from '../runtime/port.ts';

/** The same port, with the code of every failed call told to `onError`. Calls that we cancelled ourselves do not count. */
export function countingErrors(port: RuntimePort, onError: (code: ErrorCode) => void): RuntimePort {
  const counted = async <T>(call: Promise<T>): Promise<T> => {
    try {
      return await call;
    } catch (error) {
      if (isNodetenderError(error) && error.code !== 'runtime/cancelled') onError(error.code);
      throw error;
    }
  };
  return {
    version: (signal) => counted(port.version(signal)),
    listImages: (signal) => counted(port.listImages(signal)),
    listContainers: (signal) => counted(port.listContainers(signal)),
    listSandboxes: (signal) => counted(port.listSandboxes(signal)),
    sandboxImage: (id, signal) => counted(port.sandboxImage(id, signal)),
    configuredSandboxImage: (signal) => counted(port.configuredSandboxImage(signal)),
    mountedImages: (id, signal) => counted(port.mountedImages(id, signal)),
    imageStatus: (reference, signal) => counted(port.imageStatus(reference, signal)),
    removeImage: (id) => counted(port.removeImage(id)),
    imageFilesystems: (signal) => counted(port.imageFilesystems(signal)),
    close: () => port.close(),
  };
}
