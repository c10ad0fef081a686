import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadSync, type MethodDefinition, type PackageDefinition } from '@grpc/proto-loader';

/** The calls of CRI that we make, as the protocol names them. */
export type CriMethod =
  | 'Version'
  | 'Status'
  | 'ListContainers'
  | 'StreamContainers'
  | 'ContainerStatus'
  | 'ListPodSandbox'
  | 'PodSandboxStatus'
  | 'ListImages'
  | 'StreamImages'
  | 'ImageStatus'
  | 'RemoveImage'
  | 'ImageFsInfo';

export type CriMethodDefinition = MethodDefinition<object, object>;

export interface CriProtocol {
  readonly runtimeService: Readonly<Record<string, CriMethodDefinition>>;
  readonly imageService: Readonly<Record<string, CriMethodDefinition>>;
}

/**
 * Reads proto/cri.proto. In a checkout it lies where the repository keeps it; a bundle is one file, and the proto is
 * copied beside it. Messages are plain objects with camelCase fields; 64-bit integers are numbers, because sizes stay
 * below 2^53 (decode.ts refuses what does not) and strings decode half as fast.
 */
export function loadCriProtocol(): CriProtocol {
  const beside = fileURLToPath(new URL('cri.proto', import.meta.url));
  const path = existsSync(beside) ? beside : fileURLToPath(new URL('../../proto/cri.proto', import.meta.url));
  const loaded = loadSync(path, { longs: Number, enums: String, defaults: true });
  return {
    runtimeService: serviceOf(loaded, 'runtime.v1.RuntimeService'),
    imageService: serviceOf(loaded, 'runtime.v1.ImageService'),
  };
}

function serviceOf(loaded: PackageDefinition, name: string): Record<string, CriMethodDefinition> {
  const service = loaded[name];
  if (service === undefined || 'format' in service) throw new Error(`proto/cri.proto defines no service ${name}`);
  return service;
}
