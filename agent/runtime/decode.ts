import { NodetenderError } from '../errors.ts';
import type {
  PodIdentity,
  RuntimeContainer,
  RuntimeFilesystem,
  RuntimeImage,
  RuntimeSandbox,
  RuntimeVersion,
} from './port.ts';

/**
 * Answers of the runtime, checked field by field before anything is decided on them. One wrong entry refuses the whole
 * answer: leaving it out could hide a use of an image. All throw `runtime/bad-response`, naming the field.
 */

/** Far above any node (the kubelet runs 110 pods by default), far below what would exhaust our memory. */
export const maxEntries = 100_000;
/** The runtime's own limits on names are 255 and 4096; anything longer is not a name. */
const maxTextLength = 4096;
const nanosecondsPerMs = 1_000_000;

export function decodeVersion(response: unknown): RuntimeVersion {
  const fields = asRecord(response, 'Version');
  return {
    name: asText(fields.runtimeName, 'Version: runtime_name'),
    version: asText(fields.runtimeVersion, 'Version: runtime_version'),
    apiVersion: asOptionalText(fields.runtimeApiVersion, 'Version: runtime_api_version'),
  };
}

/** Whether the runtime says it is ready; otherwise its own reason. */
export interface RuntimeReadiness {
  readonly ready: boolean;
  readonly message: string;
}

export function decodeReadiness(response: unknown): RuntimeReadiness {
  const status = asRecord(asRecord(response, 'Status').status, 'Status: status');
  for (const [index, entry] of asList(status.conditions, 'Status: status.conditions').entries()) {
    const where = `Status: status.conditions[${index}]`;
    const condition = asRecord(entry, where);
    if (condition.type !== 'RuntimeReady') continue;
    const message = [condition.reason, condition.message].filter((part) => typeof part === 'string' && part !== '');
    return { ready: asBoolean(condition.status, `${where}.status`), message: message.join(': ') };
  }
  throw refused('Status: status.conditions', 'a condition RuntimeReady', '', 'none');
}

export function decodeImages(response: unknown, method = 'ListImages'): RuntimeImage[] {
  const entries = asList(asRecord(response, method).images, `${method}: images`);
  return entries.map((entry, index) => decodeImage(entry, `${method}: images[${index}]`));
}

/** Undefined where the runtime knows no such image. */
export function decodeImageStatus(response: unknown): RuntimeImage | undefined {
  const { image } = asRecord(response, 'ImageStatus');
  return image === undefined || image === null ? undefined : decodeImage(image, 'ImageStatus: image');
}

/** Two entries of one ID would each show half of the image's names, and a keep rule on the other half would not be seen. */
export function refuseDuplicateImages(images: readonly RuntimeImage[]): readonly RuntimeImage[] {
  const seen = new Set<string>();
  for (const { id } of images) {
    if (seen.has(id)) throw refused('ListImages: images', 'every image once', id, `${id} listed twice`);
    seen.add(id);
  }
  return images;
}

export function decodeContainers(response: unknown, method = 'ListContainers'): RuntimeContainer[] {
  const entries = asList(asRecord(response, method).containers, `${method}: containers`);
  return entries.map((entry, index) => decodeContainer(entry, `${method}: containers[${index}]`));
}

export function decodeSandboxes(response: unknown): RuntimeSandbox[] {
  const entries = asList(asRecord(response, 'ListPodSandbox').items, 'ListPodSandbox: items');
  return entries.map((entry, index) => {
    const where = `ListPodSandbox: items[${index}]`;
    const sandbox = asRecord(entry, where);
    const metadata = asRecord(sandbox.metadata, `${where}.metadata`);
    return {
      id: asText(sandbox.id, `${where}.id`),
      // A state that CRI may grow is not ready; nothing is removed on the strength of it.
      state: sandbox.state === 'SANDBOX_READY' ? 'ready' : 'notready',
      createdAtMs: asCreationTime(sandbox.createdAt, `${where}.created_at`),
      pod: {
        namespace: asOptionalText(metadata.namespace, `${where}.metadata.namespace`),
        name: asOptionalText(metadata.name, `${where}.metadata.name`),
        uid: asOptionalText(metadata.uid, `${where}.metadata.uid`),
      },
    };
  });
}

/** The `image` of the JSON object under `info`, or undefined where the runtime does not say. */
export function decodeSandboxImage(response: unknown): string | undefined {
  const where = 'PodSandboxStatus: info["info"]';
  const { info } = asRecord(asRecord(response, 'PodSandboxStatus').info, 'PodSandboxStatus: info');
  if (info === undefined) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(typeof info === 'string' ? info : '');
  } catch {
    throw refused(where, 'a JSON object', info);
  }
  const { image } = asRecord(parsed, where);
  if (image === undefined || image === null || image === '') return undefined;
  return asText(image, `${where}.image`);
}

/**
 * The `sandboxImage` of the JSON object under `config`, or undefined where the runtime does not say. What does not fit is
 * undefined, too, and never quoted: the configuration holds passwords of registries.
 */
export function decodeConfiguredSandboxImage(response: unknown): string | undefined {
  const { info } = asRecord(response, 'Status');
  const { config } = info === undefined || info === null ? {} : asRecord(info, 'Status: info');
  if (typeof config !== 'string') return undefined;
  try {
    const { sandboxImage } = asRecord(JSON.parse(config), 'Status: info["config"]');
    return typeof sandboxImage === 'string' && sandboxImage !== '' ? sandboxImage : undefined;
  } catch {
    return undefined;
  }
}

/** References of the images among a container's mounts. */
export function decodeMountedImages(response: unknown): string[] {
  const status = asRecord(asRecord(response, 'ContainerStatus').status, 'ContainerStatus: status');
  const references = new Set<string>();
  for (const [index, entry] of asList(status.mounts, 'ContainerStatus: status.mounts').entries()) {
    const where = `ContainerStatus: status.mounts[${index}]`;
    const { image } = asRecord(entry, where);
    if (image === undefined || image === null) continue;
    const named = imageSpecReferences(image, `${where}.image`);
    if (named.length === 0) throw refused(`${where}.image`, 'a reference', image);
    for (const reference of named) references.add(reference);
  }
  return [...references];
}

export function decodeFilesystems(response: unknown): RuntimeFilesystem[] {
  const entries = asList(asRecord(response, 'ImageFsInfo').imageFilesystems, 'ImageFsInfo: image_filesystems');
  return entries.map((entry, index) => {
    const where = `ImageFsInfo: image_filesystems[${index}]`;
    const filesystem = asRecord(entry, where);
    const mountpoint = asText(asRecord(filesystem.fsId, `${where}.fs_id`).mountpoint, `${where}.fs_id.mountpoint`);
    if (!mountpoint.startsWith('/')) throw refused(`${where}.fs_id.mountpoint`, 'an absolute path', mountpoint);
    const used = asRecord(filesystem.usedBytes, `${where}.used_bytes`);
    return { mountpoint, usedBytes: asBytes(used.value, `${where}.used_bytes.value`) };
  });
}

function decodeImage(value: unknown, where: string): RuntimeImage {
  const image = asRecord(value, where);
  return {
    id: asImageId(image.id, `${where}.id`),
    tags: asNames(image.repoTags, `${where}.repo_tags`),
    digests: asNames(image.repoDigests, `${where}.repo_digests`),
    sizeBytes: asBytes(image.size, `${where}.size`),
    pinned: asBoolean(image.pinned, `${where}.pinned`),
  };
}

function decodeContainer(value: unknown, where: string): RuntimeContainer {
  const container = asRecord(value, where);
  const id = asText(container.id, `${where}.id`);
  const metadata = container.metadata === null ? {} : asRecord(container.metadata, `${where}.metadata`);
  const references = [
    asOptionalText(container.imageId, `${where}.image_id`),
    asOptionalText(container.imageRef, `${where}.image_ref`),
    ...(container.image === null ? [] : imageSpecReferences(container.image, `${where}.image`)),
  ].filter((reference) => reference !== '');
  // A container runs some image: one that names none is a use of we do not know what.
  if (references.length === 0)
    throw refused(where, 'image, image_ref or image_id to name its image', '', 'none of them');
  return {
    id,
    // For reasons given to people only.
    name: asOptionalText(metadata.name, `${where}.metadata.name`) || id.slice(0, 13),
    state: containerState(container.state),
    sandboxId: asOptionalText(container.podSandboxId, `${where}.pod_sandbox_id`),
    createdAtMs: asCreationTime(container.createdAt, `${where}.created_at`),
    imageReferences: [...new Set(references)],
    pod: podOf(asRecord(container.labels, `${where}.labels`), `${where}.labels`),
  };
}

function imageSpecReferences(value: unknown, where: string): string[] {
  const spec = asRecord(value, where);
  return [
    asOptionalText(spec.image, `${where}.image`),
    asOptionalText(spec.imageRef, `${where}.image_ref`),
    asOptionalText(spec.userSpecifiedImage, `${where}.user_specified_image`),
  ].filter((reference) => reference !== '');
}

function containerState(state: unknown): RuntimeContainer['state'] {
  switch (state) {
    case 'CONTAINER_CREATED':
      return 'created';
    case 'CONTAINER_RUNNING':
      return 'running';
    case 'CONTAINER_EXITED':
      return 'exited';
    default:
      // Enumerations are open: a state that CRI may grow is one we do not know. In any state the image is in use.
      return 'unknown';
  }
}

function podOf(labels: Record<string, unknown>, where: string): PodIdentity | undefined {
  const label = (key: string): string => asOptionalText(labels[key] ?? '', `${where}["${key}"]`);
  const namespace = label('io.kubernetes.pod.namespace');
  const name = label('io.kubernetes.pod.name');
  if (namespace === '' || name === '') return undefined;
  return { namespace, name, uid: label('io.kubernetes.pod.uid') };
}

function asRecord(value: unknown, where: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refused(where, 'an object', value);
  return value as Record<string, unknown>;
}

function asList(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) throw refused(where, 'a list', value);
  if (value.length > maxEntries) throw refused(where, `at most ${maxEntries} entries`, value.length);
  return value;
}

function asNames(value: unknown, where: string): string[] {
  return asList(value, where).map((name, index) => asText(name, `${where}[${index}]`));
}

function asText(value: unknown, where: string): string {
  const text = asOptionalText(value, where);
  if (text === '') throw refused(where, 'a non-empty string', text);
  return text;
}

/** Printable ASCII, as every reference, ID and Kubernetes name is: nothing else may reach a terminal, log or metric. */
function asOptionalText(value: unknown, where: string): string {
  if (typeof value !== 'string') throw refused(where, 'a string', value);
  if (value.length > maxTextLength) throw refused(where, `at most ${maxTextLength} characters`, value.length);
  if (!/^[\x20-\x7e]*$/.test(value)) throw refused(where, 'printable ASCII characters', value);
  return value;
}

function asImageId(value: unknown, where: string): string {
  const id = asText(value, where);
  if (!/^(?:sha256:)?[0-9a-f]{64}$/.test(id)) throw refused(where, 'a full image ID (sha256: and 64 hex digits)', id);
  return id;
}

function asBytes(value: unknown, where: string): number {
  // Above 2^53 a 64-bit number has lost digits on its way here.
  if (!Number.isSafeInteger(value) || (value as number) < 0)
    throw refused(where, 'a number of bytes below 2^53', value);
  return value as number;
}

/** Nanoseconds since the epoch, beyond 2^53: exact to the microsecond, which does for milliseconds. */
function asCreationTime(value: unknown, where: string): number {
  if (typeof value !== 'number' || !(value >= 0 && value < 2 ** 63)) {
    throw refused(where, 'nanoseconds since the epoch', value);
  }
  return Math.floor(value / nanosecondsPerMs);
}

function asBoolean(value: unknown, where: string): boolean {
  if (typeof value !== 'boolean') throw refused(where, 'true or false', value);
  return value;
}

function refused(where: string, expected: string, value: unknown, found = quote(value)): NodetenderError {
  return new NodetenderError(
    'runtime/bad-response',
    `${where}: expected ${expected}, found ${found}. The runtime's answer breaks CRI v1 and is not used; is another program listening there?`,
  );
}

/** A value as a short quotation that is safe to print. */
function quote(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'boolean') return `${value}`;
  if (typeof value !== 'string') return value === null || value === undefined ? 'nothing' : `a ${typeof value}`;
  const text = JSON.stringify(value.slice(0, 80)).replace(/[^\x20-\x7e]/g, '?');
  return value.length > 80 ? `${text}…` : text;
}
