import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, realpath, writeFile } from 'node:fs/promises';
import { arch } from 'node:os';
import { basename } from 'node:path';
import { promisify } from 'node:util';

import { componentsOf } from './components.ts';
import { tar, type TarEntry } from './tar.ts';

const execute = promisify(execFile);
const OCI = 'application/vnd.oci.image';

const debianNames = { amd64: 'x86_64', arm64: 'aarch64' } as const;
export type Architecture = keyof typeof debianNames;
export const ownArchitecture: Architecture = arch() === 'arm64' ? 'arm64' : 'amd64';
/** The one that is not this machine's. */
export const otherArchitecture: Architecture = ownArchitecture === 'amd64' ? 'arm64' : 'amd64';

/** Of one layer, uncompressed. */
export interface OciImage {
  readonly architecture: Architecture;
  readonly manifest: Buffer;
  readonly config: Buffer;
  readonly layer: Buffer;
}

/** What stands for the distroless image: Node where that has it, its libraries, and no shell. */
export async function baseImage(architecture = ownArchitecture): Promise<OciImage> {
  const path = 'nodejs/bin/node';
  return imageOf(architecture, architecture === ownArchitecture ? await nodeAt(path) : [foreign(path)]);
}

/** What stands for the official Node image: the same with a shell and nsenter. Packages are mounted, so it needs no npm. */
export async function builderImage(architecture = ownArchitecture): Promise<OciImage> {
  if (architecture !== ownArchitecture) return imageOf(architecture, foreignNsenter);
  const busybox = await readFile(componentsOf('1.6').busybox);
  const commands = ['sh', 'cp', 'chmod'].map((name) => ({ path: `bin/${name}`, content: busybox, mode: 0o755 }));
  return imageOf(architecture, [...(await nodeAt('usr/local/bin/node')), ...commands, ...(await nsenter())]);
}

/** An OCI archive at `path`, which it gives. */
export async function writeArchive(path: string, { manifest, config, layer }: OciImage): Promise<string> {
  const index = json({ schemaVersion: 2, manifests: [descriptor(`${OCI}.manifest.v1+json`, manifest)] });
  const files = [layer, config, manifest].map((content) => ({
    path: `blobs/sha256/${digestOf(content).slice('sha256:'.length)}`,
    content,
  }));
  const layout = { path: 'oci-layout', content: json({ imageLayoutVersion: '1.0.0' }) };
  await writeFile(path, tar([layout, { path: 'index.json', content: index }, ...files]));
  return path;
}

/** One image for several architectures, as a registry has it. */
export function indexOf(images: readonly OciImage[]): Buffer {
  const manifests = images.map(({ manifest, architecture }) => ({
    ...descriptor(`${OCI}.manifest.v1+json`, manifest),
    platform: { os: 'linux', architecture },
  }));
  return json({ schemaVersion: 2, mediaType: `${OCI}.index.v1+json`, manifests });
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Debian's, where Debian has it; the base has its C library. */
async function nsenter(): Promise<TarEntry[]> {
  const libraries = (await librariesOf('/usr/bin/nsenter')).filter((path) => /lib(?:selinux|pcre2-8)\.so/.test(path));
  const entries = ['/usr/bin/nsenter', ...libraries].map(async (from) => {
    const path = from.replace(/^\/(?:usr\/)?/, 'usr/');
    return asInstalled(path, basename(await realpath(from)), await readFile(from));
  });
  return (await Promise.all(entries)).flat();
}

/** A library may be a link to the file that has the whole version in its name. */
function asInstalled(path: string, fileName: string, content: Buffer): TarEntry[] {
  const file = { path: `${path.slice(0, -basename(path).length)}${fileName}`, content, mode: 0o755 };
  return file.path === path ? [file] : [file, { path, linkTo: fileName }];
}

/** Nothing of another architecture runs while an image is built: its files say whose they are. */
function foreign(path: string): TarEntry {
  return { path, content: Buffer.from(`${path} for ${otherArchitecture}\n`), mode: 0o755 };
}

const foreignLibraries = `usr/lib/${debianNames[otherArchitecture]}-linux-gnu`;
const foreignNsenter: readonly TarEntry[] = [
  foreign('usr/bin/nsenter'),
  foreign(`${foreignLibraries}/libselinux.so.1`),
  foreign(`${foreignLibraries}/libpcre2-8.so.0.14.0`),
  { path: `${foreignLibraries}/libpcre2-8.so.0`, linkTo: 'libpcre2-8.so.0.14.0' },
];

async function nodeAt(path: string): Promise<TarEntry[]> {
  const libraries = await librariesOf(process.execPath);
  const files = [[path, process.execPath], ...libraries.map((library) => [library.slice(1), library])];
  const entries = files.map(async ([name = '', from = '']) => ({
    path: name,
    content: await readFile(from),
    mode: 0o755,
  }));
  return [
    { path: 'etc/passwd', content: Buffer.from('root:x:0:0:root:/root:/sbin/nologin\n') },
    { path: 'etc/nsswitch.conf', content: Buffer.from('passwd: files\nhosts: files dns\n') },
    ...(await Promise.all(entries)),
  ];
}

async function librariesOf(program: string): Promise<readonly string[]> {
  const { stdout } = await execute('ldd', [program]);
  // `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)`, and the linker itself without an arrow.
  return stdout.match(/\/\S+/g) ?? [];
}

function imageOf(architecture: Architecture, entries: readonly TarEntry[]): OciImage {
  const layer = tar(entries);
  const config = json({
    architecture,
    os: 'linux',
    config: { Env: ['PATH=/usr/local/bin:/usr/bin:/bin'] },
    rootfs: { type: 'layers', diff_ids: [digestOf(layer)] },
  });
  const manifest = json({
    schemaVersion: 2,
    mediaType: `${OCI}.manifest.v1+json`,
    config: descriptor(`${OCI}.config.v1+json`, config),
    layers: [descriptor(`${OCI}.layer.v1.tar`, layer)],
  });
  return { architecture, manifest, config, layer };
}

function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function descriptor(mediaType: string, content: Uint8Array): object {
  return { mediaType, digest: digestOf(content), size: content.length };
}
