import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { digestOf } from './imagebase.ts';
import type { Registry } from './registry.ts';

const execute = promisify(execFile);

interface Descriptor {
  readonly digest: string;
}

interface PushedConfig {
  readonly architecture: string;
  readonly config: object;
  /** Digests of the layers, uncompressed, bottom first. */
  readonly rootfs: { readonly diff_ids: readonly string[] };
}

/** An image as a registry has it. */
export interface PushedImage {
  readonly config: PushedConfig;
  /** Of all layers but the lowest: their digests, by path. */
  readonly ownFiles: ReadonlyMap<string, string>;
}

/** `digest`: that of its manifest. */
export async function readPushed(registry: Registry, repository: string, digest: string): Promise<PushedImage> {
  const { content } = await registry.manifest(repository, digest);
  const { config, layers } = JSON.parse(content.toString()) as { config: Descriptor; layers: Descriptor[] };
  const own = await Promise.all(layers.slice(1).map((layer) => registry.blob(repository, layer.digest)));
  const blob = await registry.blob(repository, config.digest);
  return { config: JSON.parse(blob.toString()) as PushedConfig, ownFiles: await filesOf(own) };
}

/** The architectures of an index, each with the digest of its manifest. */
export async function readIndex(registry: Registry, repository: string, tag: string): Promise<Map<string, string>> {
  const { mediaType, content } = await registry.manifest(repository, tag);
  if (mediaType !== 'application/vnd.oci.image.index.v1+json') throw new Error(`${tag} is no index but ${mediaType}`);
  type Platform = Descriptor & { readonly platform: { readonly architecture: string } };
  const { manifests } = JSON.parse(content.toString()) as { manifests: Platform[] };
  return new Map(manifests.map(({ digest, platform }) => [platform.architecture, digest]));
}

/** Digests of files by path, as layers leave them one upon the other. A link has the digest of what it points to. */
export async function filesOf(layers: readonly Buffer[]): Promise<Map<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), 'nodetender-layers-'));
  try {
    const archive = join(folder, 'layer.tar');
    const files = join(folder, 'files');
    for (const layer of layers) {
      await writeFile(archive, layer);
      await execute('tar', ['--extract', '--one-top-level=files', '--file', archive], { cwd: folder });
    }
    const entries = globSync('**', { cwd: files, withFileTypes: true }).filter((entry) => !entry.isDirectory());
    const digests = entries.map(async ({ parentPath, name }) => {
      const path = join(parentPath, name);
      return [path.slice(files.length + 1), digestOf(await readFile(path))] as const;
    });
    return new Map(await Promise.all(digests));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
