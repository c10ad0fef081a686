import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { arch } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import type { Containerd } from './containerd.ts';
import { pauseImage } from './containerdconfig.ts';
import { eventually } from './eventually.ts';
import { runsUntilStopped } from './pods.ts';
import { tar, tarEnd, tarEntry } from './tar.ts';

/** What a test wants of an image. Everything not said is small. */
export interface ImageSpec {
  /** `repository:tag` or a bare `repository@`, which stands for `repository@<digest of its manifest>`. At least one. */
  readonly names: readonly string[];
  /** Images of the same content are one image; by default the names are the content. */
  readonly content?: string;
  /** Files of its own layer, each of about a kilobyte. */
  readonly files?: number;
  /** Layers of its own. */
  readonly layers?: number;
  readonly labels?: Readonly<Record<string, string>>;
  /** Other architectures in its index, beside this machine's. None: a plain manifest. */
  readonly otherArchitectures?: readonly string[];
  readonly command?: readonly string[];
}

/** An image as made: all that containerd should hold because of it. */
export interface MadeImage {
  /** As CRI lists it: the digest of the configuration. */
  readonly id: string;
  /** The names of its records in containerd, the ID not among them. */
  readonly names: readonly string[];
  /** Snapshots of its unpacked layers, bottom first. */
  readonly chainIds: readonly string[];
  /** Everything in the content store. */
  readonly blobs: readonly string[];
}

interface Layer {
  readonly diffId: string;
  readonly descriptor: Descriptor;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly os: string; readonly architecture: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

const OCI = 'application/vnd.oci.image';
const machineArchitecture = arch() === 'x64' ? 'amd64' : arch();

/** What images are imported into. */
export type ImageTarget = Pick<Containerd, 'components' | 'folder' | 'generation' | 'ctr' | 'cri'>;

/** Collects images and imports them all at once, which is many times faster than one by one. */
export class ImageBatch {
  readonly #containerd: ImageTarget;
  readonly #blobs = new Map<string, Uint8Array>();
  readonly #manifests: Descriptor[] = [];
  readonly #images: MadeImage[] = [];
  readonly #base: Layer;

  constructor(containerd: ImageTarget) {
    this.#containerd = containerd;
    const busybox = readFileSync(containerd.components.busybox);
    this.#base = this.#layer(
      tar([
        { path: 'bin/', mode: 0o755 },
        { path: 'bin/busybox', content: busybox, mode: 0o755 },
      ]),
    );
  }

  /** Adds one image. Every image shares a base layer with busybox; its own layers differ from all others'. */
  add(spec: ImageSpec): MadeImage {
    const layers = [this.#base];
    for (let index = 0; index < (spec.layers ?? 1); index++) layers.push(this.#ownLayer(spec, index));

    const manifest = this.#manifest(layers, spec, machineArchitecture);
    const others = (spec.otherArchitectures ?? []).map((other) => this.#manifest(layers.slice(0, 1), spec, other));
    const target =
      others.length === 0
        ? manifest.descriptor
        : this.#store(`${OCI}.index.v1+json`, {
            schemaVersion: 2,
            manifests: [manifest, ...others].map((each) => each.descriptor),
          });

    const names = spec.names.map((name) => (name.endsWith('@') ? name + target.digest : name));
    for (const name of names) {
      this.#manifests.push({ ...target, annotations: { 'io.containerd.image.name': name } });
    }
    const blobs = [target.digest, ...[manifest, ...others].flatMap((each) => each.blobs)];
    const image = { id: manifest.id, names, chainIds: chain(layers), blobs: [...new Set(blobs)] };
    this.#images.push(image);
    return image;
  }

  /** Imports what was added, and resolves when CRI lists it: CRI learns of imported images by events, a little later. */
  async import(): Promise<readonly MadeImage[]> {
    const archive = join(this.#containerd.folder, 'tmp', 'images.tar');
    const file = await open(archive, 'w');
    try {
      await file.writev([
        tarEntry({ path: 'oci-layout', content: Buffer.from('{"imageLayoutVersion":"1.0.0"}') }),
        tarEntry({
          path: 'index.json',
          content: Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: this.#manifests })),
        }),
      ]);
      for (const [digest, content] of this.#blobs) {
        await file.write(tarEntry({ path: `blobs/sha256/${digest.slice('sha256:'.length)}`, content }));
      }
      await file.write(tarEnd);
    } finally {
      await file.close();
    }
    const options = this.#containerd.generation === '1.6' ? [] : ['--local'];
    await this.#containerd.ctr('images', 'import', '--all-platforms', ...options, archive);
    await rm(archive);
    await collectGarbage(this.#containerd);
    await this.#listed();
    return this.#images;
  }

  async #listed(): Promise<void> {
    await eventually(
      'CRI lists the imported images by all their names',
      async () => {
        const listed = new Map((await this.#containerd.cri.listImages()).map((image) => [image.id, image]));
        return this.#images.every((image) => {
          const found = listed.get(image.id);
          return found !== undefined && found.repo_tags.length + found.repo_digests.length >= image.names.length;
        });
      },
      60_000,
    );
  }

  #ownLayer(spec: ImageSpec, index: number): Layer {
    const mark = `${contentOf(spec)} ${index}\n`;
    const entries = [{ path: `layer-${index}`, content: Buffer.from(mark) }];
    const files = index === 0 ? (spec.files ?? 0) : 0;
    for (let file = 0; file < files; file++) {
      const content = Buffer.from(`${mark}${file}\n`.padEnd(1024, '.'));
      entries.push({ path: `files/${Math.floor(file / 100)}/${file}`, content });
    }
    return this.#layer(tar(entries));
  }

  #layer(archive: Buffer): Layer {
    return {
      diffId: digestOf(archive),
      descriptor: this.#store(`${OCI}.layer.v1.tar+gzip`, gzipSync(archive, { level: 1 })),
    };
  }

  #manifest(
    layers: readonly Layer[],
    spec: ImageSpec,
    architecture: string,
  ): { id: string; descriptor: Descriptor; blobs: string[] } {
    const config = this.#store(`${OCI}.config.v1+json`, {
      architecture,
      os: 'linux',
      config: {
        Cmd: spec.command ?? runsUntilStopped,
        Env: ['PATH=/bin'],
        Labels: { 'test.content': contentOf(spec), ...spec.labels },
      },
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
    });
    const descriptor = this.#store(`${OCI}.manifest.v1+json`, {
      schemaVersion: 2,
      mediaType: `${OCI}.manifest.v1+json`,
      config,
      layers: layers.map((layer) => layer.descriptor),
    });
    const blobs = [descriptor.digest, config.digest, ...layers.map((layer) => layer.descriptor.digest)];
    return { id: config.digest, descriptor: { ...descriptor, platform: { os: 'linux', architecture } }, blobs };
  }

  #store(mediaType: string, content: Uint8Array | object): Descriptor {
    const bytes = content instanceof Uint8Array ? content : Buffer.from(JSON.stringify(content));
    const digest = digestOf(bytes);
    this.#blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  }
}

/** The image that every pod's sandbox runs. Its program ends when asked to; busybox's own `sleep` as PID 1 would not. */
export async function importPause(containerd: ImageTarget): Promise<MadeImage> {
  const batch = new ImageBatch(containerd);
  const pause = batch.add({ names: [pauseImage] });
  await batch.import();
  return pause;
}

/** An import leaves its index.json in the content store until some later collection, at a moment no test could foresee. */
async function collectGarbage(containerd: ImageTarget): Promise<void> {
  const [name = ''] = (await containerd.ctr('images', 'ls', '-q')).split('\n');
  const temporary = 'registry.example/collect-garbage:now';
  await containerd.ctr('images', 'tag', name, temporary);
  await containerd.ctr('images', 'rm', '--sync', temporary);
  await eventually('CRI has forgotten the temporary name', async () =>
    (await containerd.cri.listImages()).every(({ repo_tags }) => !repo_tags.includes(temporary)),
  );
}

/** As the kubelet pulls an image: one record by tag and one by digest. */
export function asPulled(repositoryAndTag: string): string[] {
  return [repositoryAndTag, `${repositoryAndTag.slice(0, repositoryAndTag.lastIndexOf(':'))}@`];
}

function contentOf({ content, names }: ImageSpec): string {
  return content ?? names.join(' ');
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** The snapshot of a layer is named for all layers up to it: https://github.com/opencontainers/image-spec/blob/main/config.md#layer-chainid */
function chain(layers: readonly Layer[]): string[] {
  const chainIds: string[] = [];
  for (const { diffId } of layers) {
    const parent = chainIds.at(-1);
    chainIds.push(parent === undefined ? diffId : digestOf(Buffer.from(`${parent} ${diffId}`)));
  }
  return chainIds;
}
