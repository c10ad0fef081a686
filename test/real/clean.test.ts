import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { nodetender } from '../harness/command.ts';
import { type Generation, generations } from '../harness/components.ts';
import { Containerd } from '../harness/containerd.ts';
import { eventually } from '../harness/eventually.ts';
import { asPulled, ImageBatch, importPause, type MadeImage } from '../harness/images.ts';
import { addContainer, runPod } from '../harness/pods.ts';
import { writeWatchedHistory } from '../harness/watchedhistory.ts';
import { readTruth, type Truth, truthOf } from '../harness/truth.ts';

const DAY_MS = 24 * 3_600_000;
const registry = 'registry.example';

describe.each(generations)('nodetender on containerd %s with some 330 images and pods', (generation) => {
  let node: Node;
  let stateDirectory: string;
  let stays: MadeImage[];
  let before: Truth;

  beforeAll(async () => {
    node = await prepare(generation);
    stateDirectory = await mkdtemp(join(tmpdir(), 'nodetender-state-'));
    stays = Object.values(node.stays);
    await writeWatchedHistory(stateDirectory, [...stays, ...node.goes], Date.now() - DAY_MS);
    before = await readTruth(node.containerd);
  });
  afterAll(async () => {
    await node?.containerd.destroy();
    await rm(stateDirectory, { recursive: true, force: true });
  });

  const command = (...args: string[]) =>
    nodetender(...args, '--runtime-endpoint', node.containerd.endpoint, '--state-dir', stateDirectory);
  // Debian's containerd 1.6 does not know pinned images yet: there a rule must do.
  const rules = [`${registry}/kept/*`, ...(generation === '1.6' ? [`${registry}/pinned`] : [])];
  const clean = (...args: string[]) => command('clean', ...rules.flatMap((rule) => ['--keep', rule]), ...args);

  it('starts from a containerd that holds exactly what was made', () => {
    expect(before.records).toEqual(truthOf([...stays, ...node.goes], []).records);
  });

  it('lists every image with a verdict and a reason', async () => {
    const { stdout, status } = await command('images', '--output', 'json');
    expect(status).toBe(0);
    const { images } = JSON.parse(stdout) as { images: { id: string; verdict: string; reason: { code: string } }[] };
    const codes = new Map(images.map(({ id, reason }) => [id, reason.code]));
    expect(new Set(codes.keys())).toEqual(new Set([...stays, ...node.goes].map(({ id }) => id)));
    for (const name of ['running', 'exited', 'created', 'byAlias', 'byDigest'] as const) {
      expect([name, codes.get(node.stays[name].id)]).toEqual([name, 'in-use']);
    }
  });

  it('says in a dry run what would go, and touches nothing', async () => {
    const { stdout, status } = await clean('--dry-run', '--output', 'json');
    expect(status).toBe(0);
    const { planned } = JSON.parse(stdout) as { planned: { id: string }[] };
    expect(new Set(planned.map(({ id }) => id))).toEqual(new Set(node.goes.map(({ id }) => id)));
    expect(await readTruth(node.containerd)).toEqual(before);
  });

  it('removes only what a pattern names', async () => {
    const [first] = node.goes;
    const { status } = await clean(first?.names[0] ?? '');
    expect(status).toBe(0);
    const left = await readTruth(node.containerd);
    expect(left.records).toEqual(truthOf([...stays, ...node.goes.slice(1)], []).records);
  });

  it('removes everything unused with its snapshots and content, and nothing else', async () => {
    const { stdout, status } = await clean('--output', 'json');
    expect(status).toBe(0);
    const report = JSON.parse(stdout) as { removed: { id: string }[]; failed: unknown[] };
    expect(report.failed).toEqual([]);
    expect(new Set(report.removed.map(({ id }) => id))).toEqual(new Set(node.goes.slice(1).map(({ id }) => id)));
    expect(await readTruth(node.containerd)).toEqual(truthOf(stays, before.containers));
  });

  it('finds nothing more to do the second time', async () => {
    const { stdout, status } = await clean('--output', 'json');
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ planned: [], removed: [] });
  });

  it('leaves the pods as they were: a container of each image can still be made', async () => {
    const pod = await runPod(node.containerd, 'afterwards');
    for (const [name, image] of Object.entries(node.stays)) {
      await addContainer(node.containerd, pod, { name: name.toLowerCase(), image: image.id, state: 'running' });
    }
    expect((await readTruth(node.containerd)).containers.size).toBe(before.containers.size + 1 + stays.length);
  });
});

interface Node {
  readonly containerd: Containerd;
  /** In use, pinned, kept by a rule, or the pods' own. */
  readonly stays: Record<
    'pause' | 'running' | 'exited' | 'created' | 'byAlias' | 'byDigest' | 'kept' | 'pinned',
    MadeImage
  >;
  readonly goes: readonly MadeImage[];
}

/** A node as a year of work leaves it. */
async function prepare(generation: Generation): Promise<Node> {
  const containerd = await Containerd.launch(generation, { storage: 'memory' });
  try {
    return await fill(containerd);
  } catch (error) {
    await containerd.destroy();
    throw error;
  }
}

async function fill(containerd: Containerd): Promise<Node> {
  const batch = new ImageBatch(containerd);
  const named = (name: string, ...more: string[]) =>
    batch.add({ names: [...asPulled(`${registry}/${name}:1`), ...more] });
  const used = {
    running: named('web'),
    exited: named('job'),
    created: named('waiting'),
    byAlias: named('aliased', `${registry}/other-name:stable`),
    byDigest: batch.add({ names: [`${registry}/by-digest@`] }),
    kept: named('kept/base', `${registry}/another-name-of-it:1`),
    pinned: named('pinned'),
  };
  const goes = [
    ...Array.from({ length: 300 }, (_, index) => named(`unused-${index}`)),
    ...Array.from({ length: 8 }, (_, index) => named(`two-names-${index}`, `${registry}/second-name-${index}:latest`)),
    ...Array.from({ length: 8 }, (_, index) => batch.add({ names: [`${registry}/digest-only-${index}@`] })),
    batch.add({ names: asPulled(`${registry}/many-layers:1`), layers: 60 }),
    batch.add({
      names: asPulled(`${registry}/many-labels:1`),
      labels: Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`label-${index}`, 'x'.repeat(200)])),
    }),
    batch.add({ names: asPulled(`${registry}/many-files:1`), files: 2000 }),
    batch.add({ names: asPulled(`${registry}/two-platforms:1`), otherArchitectures: ['arm64', 's390x'] }),
  ];
  await batch.import();
  goes.push(...(await importOrphans(containerd, 5)));
  await pin(containerd, used.pinned);

  const pod = await runPod(containerd, 'web');
  await addContainer(containerd, pod, { name: 'running', image: used.running.id, state: 'running' });
  await addContainer(containerd, pod, { name: 'exited', image: used.exited.id, state: 'exited' });
  await addContainer(containerd, pod, { name: 'created', image: used.created.id, state: 'created' });
  const alias = `${registry}/other-name:stable`;
  await addContainer(containerd, pod, { name: 'alias', image: alias, userSpecifiedImage: alias, state: 'running' });
  const digest = used.byDigest.names[0] ?? '';
  await addContainer(containerd, pod, { name: 'digest', image: digest, userSpecifiedImage: digest, state: 'running' });
  return { containerd, stays: { ...used, pause: await importPause(containerd) }, goes };
}

/** Records that have lost every name: what a removal leaves that was cut off. */
async function importOrphans(containerd: Containerd, count: number): Promise<MadeImage[]> {
  const batch = new ImageBatch(containerd);
  const images = Array.from({ length: count }, (_, index) => batch.add({ names: [`${registry}/orphan-${index}:1`] }));
  await batch.import();
  await containerd.ctr('images', 'rm', ...images.flatMap(({ names }) => names));
  const ids = new Set(images.map(({ id }) => id));
  await eventually('CRI lists the orphans without a name', async () => {
    const listed = (await containerd.cri.listImages()).filter(({ id }) => ids.has(id));
    return listed.length === count && listed.every(({ repo_tags }) => repo_tags.length === 0);
  });
  return images.map((image) => ({ ...image, names: [] }));
}

/** As CRI marks images that must stay. */
async function pin(containerd: Containerd, image: MadeImage): Promise<void> {
  for (const name of [...image.names, image.id]) {
    await containerd.ctr('images', 'label', name, 'io.cri-containerd.pinned=pinned');
  }
}
