import { describe, expect, it } from 'vitest';

import { viewOfImageList } from '../../../agent/eraser/imagelist.ts';
import { inUseNote, leftNote, refusedNote } from '../../../agent/eraser/notes.ts';
import { stayingOf } from '../../../agent/eraser/staying.ts';
import type { ReportedNode } from '../../../agent/eraser/tally.ts';
import type { Report } from '../../../agent/images/report.ts';
import { nameOf } from '../../../agent/images/inventory.ts';
import type { ImageListView } from '../../../agent/eraser/imagelist.ts';
import type { Note } from '../../../agent/cluster/events.ts';
import { EmulatedNode } from '../../emulators/node.ts';
import { DAY_MS, usualPolicy } from '../images/examples.ts';

const metadata = { name: 'imagelist', uid: 'a', resourceVersion: '1', generation: 3 };
const regarding = { apiVersion: 'v1', kind: 'Node', name: 'node-1', uid: 'n' };

function noteOf(list: ImageListView, { plan }: Report): Note | undefined {
  return leftNote(list, stayingOf(list.rules, plan, plan.plannedAtMs), regarding);
}

/** A node that has run the list, on which so many of the images that it names are in use; the first have these names. */
function node(name: string, images: readonly string[], count = images.length, generation = 3): ReportedNode {
  const at = '2026-01-01T00:00:00Z';
  const results = new Map([
    ['imagelist', { uid: 'a', generation, outcome: 'success' as const, at, inUse: { count, images } }],
  ]);
  return { name, key: name, labels: new Map(), annotations: new Map(), createdAt: at, results };
}

describe('images in use', () => {
  it('are told of where an entry names them, and not where * means everything else', async () => {
    const emulated = await EmulatedNode.create();
    for (const tag of ['docker.io/library/used:1', 'docker.io/library/other:1', 'docker.io/library/idle:1']) {
      emulated.store.addImage({ tags: [tag] });
    }
    for (const image of ['used:1', 'other:1']) emulated.store.createContainer({ image });
    await emulated.age(10 * DAY_MS);
    const { plan } = await emulated.clean(usualPolicy);
    const inUse = (...images: string[]): string[] => {
      const { rules } = viewOfImageList({ metadata, spec: { images } });
      return stayingOf(rules, plan, plan.plannedAtMs).inUse.map(({ image }) => nameOf(image));
    };
    expect(inUse('used:1', 'idle:1')).toEqual(['docker.io/library/used:1']);
    expect(inUse('*', 'used:1')).toEqual(['docker.io/library/used:1']);
    expect(inUse('docker.io/*')).toHaveLength(2);
    expect([inUse('idle:1'), inUse('*')]).toEqual([[], []]);
  });

  it('are one Event on the ImageList, however many nodes there are', () => {
    const list = viewOfImageList({ metadata, spec: { images: ['alpine:*', 'nginx'] } });
    const many = Array.from({ length: 1_000 }, (_, index) => node(`web-${index}`, ['alpine:1']));
    expect(inUseNote(list, [node('db-1', ['nginx:1']), ...many])).toMatchObject({
      regarding: { kind: 'ImageList', name: 'imagelist', uid: 'a' },
      type: 'Normal',
      note: 'in use, and left: alpine:1 on web-0, web-1, web-10 and 997 more; nginx:1 on db-1',
      identity: '3',
    });
  });

  it('that a node had no room to name are in its log, which the Event says', () => {
    const list = viewOfImageList({ metadata, spec: { images: ['alpine:*'] } });
    expect(inUseNote(list, [node('db-1', ['alpine:1', 'alpine:2'], 9)])?.note).toBe(
      'in use, and left: alpine:1 on db-1; alpine:2 on db-1; others are in the logs of the agents',
    );
  });

  it('of an older generation, or none, are no Event', () => {
    const list = viewOfImageList({ metadata, spec: { images: ['alpine:*'] } });
    expect(inUseNote(list, [node('a', ['alpine:1'], 1, 2)])).toBeUndefined();
    expect(inUseNote(list, [])).toBeUndefined();
  });

  it('fit into the Event however long their names are', () => {
    const list = viewOfImageList({ metadata, spec: { images: ['*'] } });
    const images = ['a', 'b', 'c'].map((end) => `${'ä'.repeat(250)}${end}`);
    const bytes = Buffer.byteLength(inUseNote(list, [node('n', images)])?.note ?? '');
    expect(bytes).toBeGreaterThan(900);
    expect(bytes).toBeLessThanOrEqual(1024);
  });
});

describe('the Event about images that had to be left', () => {
  it('says of each why it stays, and how many more there are', async () => {
    const emulated = await EmulatedNode.create();
    for (const name of ['a', 'b', 'c', 'd']) emulated.store.addImage({ tags: [`docker.io/library/${name}:1`] });
    await emulated.age(10 * DAY_MS);
    emulated.store.addImage({ tags: ['docker.io/library/new:1'] });
    const list = viewOfImageList({ metadata, spec: { images: ['*'] } });
    const budget = { images: 1, bytes: undefined };
    const note = noteOf(list, await emulated.clean({ ...usualPolicy, requested: list.rules, budget }));
    expect(note).toMatchObject({ regarding, type: 'Warning', reason: 'ImageListImageLeft' });
    expect(note?.note).toMatch(
      /do not fit into the budget of a run \(the budget of 1 image .*\) and stay: .+, .+ and 1 more/,
    );
    expect(note?.note).toMatch(/too short a time ago \(seen for the first time just now.*\) and stay: .*new:1$/);
  });

  it('is none where nothing but use keeps them', async () => {
    const emulated = await EmulatedNode.create();
    emulated.store.addImage({ tags: ['docker.io/library/used:1'] });
    emulated.store.createContainer({ image: 'used:1' });
    const list = viewOfImageList({ metadata, spec: { images: ['used:1'] } });
    expect(noteOf(list, await emulated.clean({ ...usualPolicy, requested: list.rules }))).toBeUndefined();
  });

  it('fits however long the names are', async () => {
    const emulated = await EmulatedNode.create();
    for (let index = 0; index < 4; index += 1) {
      emulated.store.addImage({ tags: [`registry.example/${'a'.repeat(230)}${index}:1`], sizeBytes: 9 });
    }
    await emulated.age(10 * DAY_MS);
    for (let index = 4; index < 8; index += 1) {
      emulated.store.addImage({ tags: [`registry.example/${'a'.repeat(230)}${index}:1`] });
    }
    const list = viewOfImageList({ metadata, spec: { images: ['*'] } });
    const policy = { ...usualPolicy, requested: list.rules, budget: { images: undefined, bytes: 1 } };
    const note = noteOf(list, await emulated.clean(policy))?.note ?? '';
    expect(Buffer.byteLength(note)).toBeGreaterThan(900);
    expect(Buffer.byteLength(note)).toBeLessThanOrEqual(1024);
  });
});

it('the Event about refused entries quotes the first, and counts the rest', () => {
  const list = viewOfImageList({ metadata, spec: { images: Array.from({ length: 8 }, (_, index) => `No ${index}`) } });
  const { note, regarding: about, identity } = refusedNote(list);
  expect(about).toMatchObject({ apiVersion: 'eraser.sh/v1', kind: 'ImageList', uid: 'a' });
  expect(note).toContain('spec.images.0: rule "No 0"');
  expect([note.includes('No 7'), identity]).toEqual([false, '3']);
  expect(Buffer.byteLength(note)).toBeLessThanOrEqual(1024);
});
