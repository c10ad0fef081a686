import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { baseImage, builderImage, writeArchive } from './imagebase.ts';

const execute = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'nodetender', 'agentimage');

/** A build takes 15 s; a busy machine many times that. */
const BUILD_DEADLINE_MS = 600_000;
/** Of 56 MB each: enough for a few branches and for the other version of an upgrade. */
const ARCHIVES_KEPT = 6;

/** Everything that the Dockerfile reads, and all that it is built by. */
const inputs = [
  'Dockerfile',
  '.dockerignore',
  'LICENSE',
  'package.json',
  'package-lock.json',
  'scripts/{image,bundle.ts}',
  'agent/**/*.ts',
  'proto/**/*.proto',
  'test/harness/{agentimage,imagebase}.ts',
];

export interface AgentImage {
  /** Path of an OCI archive, as `ctr images import` takes it. */
  readonly archive: string;
  /** The name that the image has once it is imported. */
  readonly reference: string;
  readonly version: string;
  /** What stands for the commit: a digest of all that the image is made of. */
  readonly revision: string;
  /** So many layers are the base's; those after them are the agent's own. */
  readonly baseLayers: number;
}

export interface AgentImageOptions {
  /** Default: the checkout's. Another one is for upgrades. */
  readonly version?: string;
  /** Default: `localhost/nodetender:test`. */
  readonly reference?: string;
}

/**
 * The image as scripts/image builds it, on a base made of this machine's own Node, since there is no registry here. Built
 * once for the same inputs, by whichever suite asks first.
 */
export async function agentImage(options: AgentImageOptions = {}): Promise<AgentImage> {
  const { version = versionOfCheckout(), reference = 'localhost/nodetender:test' } = options;
  const revision = digestOfInputs();
  const name = digest(`${revision} ${version} ${reference}`);
  const archive = join(cache, `${name}.tar`);
  const image = { archive, reference, version, revision, baseLayers: 1 };
  if (existsSync(archive)) await utimes(archive, new Date(), new Date());
  else await build(image);
  return image;
}

async function build({ archive, reference, version, revision }: AgentImage): Promise<void> {
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(tmpdir(), 'nodetender-image-'));
  // Another suite may build the same at the same time: the archive appears whole or not at all.
  const unfinished = `${archive}.${process.pid}`;
  try {
    const base = await writeArchive(join(folder, 'base.tar'), await baseImage());
    const builder = await writeArchive(join(folder, 'builder.tar'), await builderImage());
    const options = {
      storage: join(folder, 'storage'),
      modules: join(root, 'node_modules'),
      base: `oci-archive:${base}`,
      builder: `oci-archive:${builder}`,
      version,
      tag: reference,
      output: `oci-archive:${unfinished}`,
    };
    await runImageScript(options, { NODETENDER_COMMIT: revision });
    await rename(unfinished, archive);
    await removeOldArchives();
  } finally {
    await rm(unfinished, { force: true });
    await rm(folder, { recursive: true, force: true });
  }
}

/** `scripts/image --NAME VALUE …` */
export async function runImageScript(
  options: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string>>,
): Promise<void> {
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  await execute(join(root, 'scripts/image'), args, {
    env: { ...process.env, ...environment },
    timeout: BUILD_DEADLINE_MS,
    maxBuffer: 16 * 1024 * 1024,
  });
}

async function removeOldArchives(): Promise<void> {
  const names = (await readdir(cache)).filter((name) => name.endsWith('.tar')).map((name) => join(cache, name));
  const used = await Promise.all(names.map(async (path) => ({ path, usedMs: (await stat(path)).mtimeMs })));
  const old = used.toSorted((a, b) => b.usedMs - a.usedMs).slice(ARCHIVES_KEPT);
  await Promise.all(old.map(({ path }) => rm(path, { force: true })));
}

function digestOfInputs(): string {
  const files = globSync(inputs, { cwd: root }).toSorted();
  return digest([process.version, ...files.flatMap((file) => [file, readFileSync(join(root, file))])]);
}

function digest(content: string | readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of typeof content === 'string' ? [content] : content) hash.update(part).update('\0');
  return hash.digest('hex').slice(0, 12);
}

function versionOfCheckout(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return (manifest as { version: string }).version;
}
