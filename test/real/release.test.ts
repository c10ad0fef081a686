import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { nodeFlags } from '../../scripts/bundle.ts';
import { runImageScript } from '../harness/agentimage.ts';
import type { Json } from '../harness/api.ts';
import { chart, helm, helmVersions, objectOf, objectsIn, renderChart } from '../harness/helm.ts';
import { baseImage, builderImage, digestOf, otherArchitecture, ownArchitecture } from '../harness/imagebase.ts';
import { filesOf, type PushedImage, readIndex, readPushed } from '../harness/pushedimage.ts';
import { Registry, type StoredManifest } from '../harness/registry.ts';
import { type ReleaseNames, releaseNames, version } from './releasenames.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const commit = '0123456789ab';
const architectures = [ownArchitecture, otherArchitecture];

let folder: string;
let registry: Registry;
let names: ReleaseNames;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nodetender-release-'));
  registry = await Registry.launch();
  names = releaseNames(registry.address);
});

afterAll(async () => {
  await registry?.destroy();
  await rm(folder, { recursive: true, force: true });
});

describe('the image of a release', () => {
  /** Where no platform is asked for. */
  let single: StoredManifest;
  let singleImage: PushedImage;
  /** Where both are, by architecture. */
  const pushed = new Map<string, PushedImage>();
  /** Digests of the layer of what it is built on, and of the files of what it is built with, by architecture. */
  const baseLayers = new Map<string, string>();
  const builderFiles = new Map<string, ReadonlyMap<string, string>>();
  let options: Record<string, string>;

  beforeAll(async () => {
    const bases = await Promise.all(architectures.map(baseImage));
    const builders = await Promise.all(architectures.map(builderImage));
    for (const { architecture, layer } of bases) baseLayers.set(architecture, digestOf(layer));
    for (const { architecture, layer } of builders) builderFiles.set(architecture, await filesOf([layer]));
    options = {
      output: 'registry',
      base: await registry.push('base', 'latest', bases),
      builder: await registry.push('builder', 'latest', builders),
      modules: join(root, 'node_modules'),
      storage: join(folder, 'storage'),
    };
    // One after the other under the same name: the second takes the place of the first.
    await build({ tag: names.image });
    single = await registry.manifest('nodetender', version);
    singleImage = await readPushed(registry, 'nodetender', digestOf(single.content));
    await build({ tag: names.image, platform: names.platforms });
    const index = await readIndex(registry, 'nodetender', version);
    for (const [architecture, digest] of index) {
      pushed.set(architecture, await readPushed(registry, 'nodetender', digest));
    }
  });

  const build = async (more: Record<string, string>): Promise<void> => {
    const environment = { NODETENDER_COMMIT: commit, SSL_CERT_FILE: registry.authorityFile };
    await runImageScript({ ...options, ...more }, environment);
  };
  const filesUnder = (prefix: string, architecture: string) =>
    [...(pushed.get(architecture)?.ownFiles ?? [])].filter(([path]) => path.startsWith(prefix));
  /** Of the builder: where the libraries are depends on the architecture. */
  const builderFile = (architecture: string, pattern: RegExp) =>
    [...(builderFiles.get(architecture) ?? [])].find(([path]) => pattern.test(path))?.[1] ?? 'missing';

  it('is there for both architectures', () => {
    expect([...pushed.keys()].toSorted()).toEqual(['amd64', 'arm64']);
  });

  it.each(architectures)('for %s says so, and stands on the base of that architecture', (architecture) => {
    expect(pushed.get(architecture)?.config.architecture).toBe(architecture);
    expect(pushed.get(architecture)?.config.rootfs.diff_ids[0]).toBe(baseLayers.get(architecture));
  });

  it.each(architectures)('for %s has nsenter and its libraries of that architecture', (architecture) => {
    expect(Object.fromEntries(filesUnder('usr/', architecture))).toEqual({
      'usr/bin/nsenter': builderFile(architecture, /^usr\/bin\/nsenter$/),
      'usr/lib/libselinux.so.1': builderFile(architecture, /\/libselinux\.so\.1$/),
      'usr/lib/libpcre2-8.so.0': builderFile(architecture, /\/libpcre2-8\.so\.0$/),
    });
  });

  it.each(architectures)('for %s runs the agent, and names version and commit', (architecture) => {
    expect(pushed.get(architecture)?.config.config).toMatchObject({
      Entrypoint: ['/nodejs/bin/node', ...nodeFlags, '/opt/nodetender/nodetender.cjs'],
      Cmd: ['agent'],
      Labels: { 'org.opencontainers.image.version': version, 'org.opencontainers.image.revision': commit },
    });
  });

  it('has the same bundle for both', () => {
    const bundle = filesUnder('opt/', ownArchitecture);
    expect(bundle.map(([path]) => path)).toContain('opt/nodetender/nodetender.cjs');
    expect(filesUnder('opt/', otherArchitecture)).toEqual(bundle);
  });

  it('is the one that the plain manifest of the release names', async () => {
    const { stdout } = await promisify(execFile)(join(root, 'scripts/manifest'), names.manifestArguments);
    expect(imageOf(objectsIn(stdout))).toBe(names.image);
  });

  it('is of one architecture, without an index, where no platform is asked for', () => {
    expect(single.mediaType).toBe('application/vnd.oci.image.manifest.v1+json');
    expect(singleImage.config.architecture).toBe(ownArchitecture);
    expect(singleImage.ownFiles).toEqual(pushed.get(ownArchitecture)?.ownFiles);
  });
});

describe.each(helmVersions)('the chart of a release, pushed and fetched by Helm %i', (generation) => {
  let home: string;
  let address: string;
  let archive: string;
  const run = async (...args: string[]) => await helm(args, { version: generation, home });
  const trusted = () => `--ca-file=${registry.authorityFile}`;
  const fromRegistry = () => [address, `--version=${version}`, trusted()];

  beforeAll(async () => {
    home = join(folder, `helm${generation}`);
    await mkdir(home);
    // The two generations push the same name and version.
    const charts = `${names.charts}/helm${generation}`;
    address = `${charts}/nodetender`;
    await run('package', chart, `--destination=${home}`);
    archive = join(home, `nodetender-${version}.tgz`);
    await run('push', archive, charts, trusted());
  });

  it('is what was pushed', async () => {
    const destination = join(home, 'pulled');
    await mkdir(destination);
    await run('pull', ...fromRegistry(), `--destination=${destination}`);
    expect(await readFile(join(destination, `nodetender-${version}.tgz`))).toEqual(await readFile(archive));
  });

  it('makes the same objects as the folder', async () => {
    const args = ['--namespace=nodetender', '--include-crds', '--set=config.reboot.enabled=true'];
    const objects = objectsIn(await run('template', 'nodetender', ...fromRegistry(), ...args));
    expect(objects.length).toBeGreaterThan(5);
    expect(objects).toEqual(objectsIn(await run('template', 'nodetender', chart, ...args)));
  });
});

it('the chart installs the image of the release without being told so', async () => {
  expect(imageOf(await renderChart())).toBe(releaseNames('ghcr.io/nodetender').image);
});

/** Of the agent. */
function imageOf(objects: readonly Json[]): string | undefined {
  const { spec } = objectOf(objects, 'DaemonSet') as {
    spec?: { template: { spec: { containers: { image: string }[] } } };
  };
  return spec?.template.spec.containers[0]?.image;
}
