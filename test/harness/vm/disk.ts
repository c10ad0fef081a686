import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readlink, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

import { type AgentImage, agentImage } from '../agentimage.ts';
import { machineComponents } from '../components.ts';
import { Containerd } from '../containerd.ts';
import { asPulled, ImageBatch } from '../images.ts';
import { guestFiles, guestLinks } from './guestfiles.ts';
import { initialRamDisk } from './initrd.ts';

const execute = promisify(execFile);
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'nodetender', 'guests');
/** Of about a gigabyte each. */
const DISKS_KEPT = 2;
const DISK_BYTES = 4 * 1024 ** 3;

/** What the pods that a test drains run. */
export const workloadImage = 'registry.example/workload:1';

export interface GuestDisk {
  readonly kernel: string;
  readonly initialRamDisk: string;
  /** A pristine raw disk: copied before it is used. */
  readonly disk: string;
  readonly agent: AgentImage;
}

/** A disk with Debian, kubelet and images, and what it is booted by. Made once for the same content. */
export async function guestDisk(): Promise<GuestDisk> {
  const { guestRoot, kubelet } = machineComponents();
  const agent = await agentImage();
  const content = [guestRoot, kubelet, agent.archive].map((path) => readFileName(path));
  const own = ['disk', 'guestfiles', 'initrd', 'cpio'].map((name) =>
    readFileSync(new URL(`${name}.ts`, import.meta.url)),
  );
  const hash = createHash('sha256');
  for (const part of [...(await Promise.all(content)), ...own]) hash.update(part);
  const folder = join(cache, hash.digest('hex').slice(0, 12));
  if (existsSync(folder)) {
    await utimes(folder, new Date(), new Date());
  } else {
    await mkdir(cache, { recursive: true });
    const unfinished = await mkdtemp(join(cache, 'unfinished-'));
    try {
      await make(unfinished, agent);
      await rename(unfinished, folder);
    } finally {
      await rm(unfinished, { recursive: true, force: true });
    }
    await removeOldDisks();
  }
  const [kernel] = globSync(`${guestRoot}/boot/vmlinuz-*`);
  if (kernel === undefined) throw new Error(`${guestRoot} has no kernel`);
  return { kernel, initialRamDisk: join(folder, 'initrd.gz'), disk: join(folder, 'disk.raw'), agent };
}

/** The components' folders are named for what they hold, and linked to. */
async function readFileName(path: string): Promise<string> {
  const folder = dirname(path.includes('/bin/') ? dirname(path) : path);
  return `${await readlink(folder).catch(() => folder)} ${path}`;
}

async function make(folder: string, agent: AgentImage): Promise<void> {
  const { guestRoot, kubelet } = machineComponents();
  const tree = await mkdtemp(join(tmpdir(), 'nodetender-guest-'));
  try {
    await execute('cp', ['--archive', '--reflink=auto', `${guestRoot}/.`, tree]);
    await rm(join(tree, 'boot'), { recursive: true });
    await mkdir(join(tree, 'usr/local/bin'), { recursive: true });
    await cp(kubelet, join(tree, 'usr/local/bin/kubelet'));
    for (const [path, text] of Object.entries(guestFiles)) {
      await mkdir(dirname(join(tree, path)), { recursive: true });
      await writeFile(join(tree, path), text);
    }
    for (const [path, target] of Object.entries(guestLinks)) {
      await mkdir(dirname(join(tree, path)), { recursive: true });
      await rm(join(tree, path), { force: true });
      await symlink(target, join(tree, path));
    }
    await preload(join(tree, 'var/lib/containerd'), agent);
    const disk = join(folder, 'disk.raw');
    await execute('truncate', ['--size', String(DISK_BYTES), disk]);
    await execute('mkfs.ext4', ['-q', '-F', '-E', 'lazy_itable_init=1,lazy_journal_init=1', '-d', tree, disk]);
    await writeFile(join(folder, 'initrd.gz'), initialRamDisk(guestRoot));
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
}

/** The guest's containerd finds what one of the same version held here: unpacking takes an emulated processor half a minute. */
async function preload(folder: string, agent: AgentImage): Promise<void> {
  const containerd = await Containerd.launch('1.6');
  try {
    const batch = new ImageBatch(containerd);
    batch.add({ names: asPulled(workloadImage) });
    await batch.import();
    await containerd.ctr('images', 'import', agent.archive);
    const template = await containerd.saveAsTemplate();
    await rm(folder, { recursive: true, force: true });
    await execute('cp', ['--archive', '--reflink=auto', template.folder, folder]);
    await template.remove();
  } finally {
    await containerd.destroy();
  }
}

async function removeOldDisks(): Promise<void> {
  const folders = (await readdir(cache))
    .filter((name) => !name.startsWith('unfinished-'))
    .map((name) => join(cache, name));
  const used = await Promise.all(folders.map(async (path) => ({ path, usedMs: (await stat(path)).mtimeMs })));
  const old = used.toSorted((a, b) => b.usedMs - a.usedMs).slice(DISKS_KEPT);
  await Promise.all(old.map(({ path }) => rm(path, { recursive: true, force: true })));
}
