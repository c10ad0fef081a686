import { describe, expect, it } from 'vitest';

import { viewOfImageList } from '../../../agent/eraser/imagelist.ts';
import { refusedNote, stayingNote } from '../../../agent/eraser/notes.ts';
import { stayingOf } from '../../../agent/eraser/staying.ts';
import type { Report } from '../../../agent/images/report.ts';
import type { ImageListView } from '../../../agent/eraser/imagelist.ts';
import type { Note } from '../../../agent/cluster/events.ts';
import { EmulatedNode } from '../../emulators/node.ts';
import { DAY_MS, usualPolicy } from '../images/examples.ts';

const metadata = { name: 'imagelist', uid: 'a', resourceVersion: '1', generation: 3 };
const regarding = { apiVersion: 'v1', kind: 'Node', name: 'node-1', uid: 'n' };

function noteOf(list: ImageListView, { plan }: Report): Note | undefined {
  return stayingNote(list, stayingOf(list.rules, plan, plan.plannedAtMs), regarding);
}

describe('the Event about images that stay', () => {
  it('names those that the list means, and no others', async () => {
    const node = await EmulatedNode.create();
    for (const tag of ['docker.io/library/used:1', 'docker.io/library/other:1', 'docker.io/library/idle:1']) {
      node.store.addImage({ tags: [tag] });
    }
    for (const image of ['used:1', 'other:1']) node.store.createContainer({ image });
    await node.age(10 * DAY_MS);
    const list = viewOfImageList({ metadata, spec: { images: ['used:1', 'idle:1'] } });
    const report = await node.clean({ ...usualPolicy, requested: list.rules });
    expect(noteOf(list, report)).toMatchObject({
      regarding,
      type: 'Normal',
      note: 'ImageList imagelist names images that are in use and stay: docker.io/library/used:1',
    });
    const idle = viewOfImageList({ metadata, spec: { images: ['idle:1'] } });
    expect(noteOf(idle, report)).toBeUndefined();
  });

  it('says of each why it stays, and how many more there are', async () => {
    const node = await EmulatedNode.create();
    for (const name of ['a', 'b', 'c', 'd']) node.store.addImage({ tags: [`docker.io/library/${name}:1`] });
    await node.age(10 * DAY_MS);
    node.store.addImage({ tags: ['docker.io/library/new:1'] });
    const list = viewOfImageList({ metadata, spec: { images: ['*'] } });
    const budget = { images: 1, bytes: undefined };
    const note = noteOf(list, await node.clean({ ...usualPolicy, requested: list.rules, budget }));
    expect(note).toMatchObject({ type: 'Warning', reason: 'ImageListImageLeft' });
    expect(note?.note).toMatch(
      /do not fit into the budget of a run \(the budget of 1 image .*\) and stay: .+, .+ and 1 more/,
    );
    expect(note?.note).toMatch(/too short a time ago \(seen for the first time just now.*\) and stay: .*new:1$/);
  });

  it('fits however long the names are', async () => {
    const node = await EmulatedNode.create();
    for (let index = 0; index < 9; index += 1) {
      const tag = `registry.example/${'a'.repeat(230)}${index}:1`;
      node.store.addImage({ tags: [tag] });
      node.store.createContainer({ image: tag });
    }
    const list = viewOfImageList({ metadata, spec: { images: ['*'] } });
    const note = noteOf(list, await node.clean({ ...usualPolicy, requested: list.rules }))?.note ?? '';
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
