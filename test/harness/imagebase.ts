import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { arch } from 'node:os';
import { promisify } from 'node:util';

import { componentsOf } from './components.ts';
import { tar, type TarEntry } from './tar.ts';

const execute = promisify(execFile);
const OCI = 'application/vnd.oci.image';

/** What stands for the distroless image: Node where that has it, its libraries, and no shell. An OCI archive at `path`. */
export async function makeBase(path: string): Promise<string> {
  return await archive(path, await nodeAt('nodejs/bin/node'));
}

/** What stands for the official Node image: the same with a shell and nsenter. Packages are mounted, so it needs no npm. */
export async function makeBuilder(path: string): Promise<string> {
  const busybox = await readFile(componentsOf('1.6').busybox);
  const commands = ['sh', 'cp', 'chmod'].map((name) => ({ path: `bin/${name}`, content: busybox, mode: 0o755 }));
  return await archive(path, [...(await nodeAt('usr/local/bin/node')), ...commands, ...(await nsenter())]);
}

/** Debian's, where Debian has it; the base has its C library. */
async function nsenter(): Promise<TarEntry[]> {
  const libraries = (await librariesOf('/usr/bin/nsenter')).filter((path) => /lib(?:selinux|pcre2-8)\.so/.test(path));
  const entries = ['/usr/bin/nsenter', ...libraries].map(async (from) => ({
    path: from.replace(/^\/(?:usr\/)?/, 'usr/'),
    content: await readFile(from),
    mode: 0o755,
  }));
  return await Promise.all(entries);
}

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

/** Of one layer, uncompressed. */
async function archive(path: string, entries: readonly TarEntry[]): Promise<string> {
  const layer = tar(entries);
  const config = json({
    architecture: arch() === 'x64' ? 'amd64' : arch(),
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
  const index = json({ schemaVersion: 2, manifests: [descriptor(`${OCI}.manifest.v1+json`, manifest)] });
  const blobs = [layer, config, manifest].map((content) => ({
    path: `blobs/sha256/${digestOf(content).slice('sha256:'.length)}`,
    content,
  }));
  const layout = { path: 'oci-layout', content: json({ imageLayoutVersion: '1.0.0' }) };
  await writeFile(path, tar([layout, { path: 'index.json', content: index }, ...blobs]));
  return path;
}

function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function descriptor(mediaType: string, content: Uint8Array): object {
  return { mediaType, digest: digestOf(content), size: content.length };
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
