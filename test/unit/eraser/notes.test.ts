import { describe, expect, it } from 'vitest';

import { viewOfImageList } from '../../../agent/eraser/imagelist.ts';
import { inUseNote, refusedNote } from '../../../agent/eraser/notes.ts';
import { EmulatedNode } from '../../emulators/node.ts';
import { DAY_MS, usualPolicy } from '../images/examples.ts';

const metadata = { name: 'imagelist', uid: 'a', resourceVersion: '1', generation: 3 };
const regarding = { apiVersion: 'v1', kind: 'Node', name: 'node-1', uid: 'n' };

describe('the Event about images in use', () => {
  it('names those that the list means, and no others', async () => {
    const node = await EmulatedNode.create();
    for (const tag of ['docker.io/library/used:1', 'docker.io/library/other:1', 'docker.io/library/idle:1']) {
      node.store.addImage({ tags: [tag] });
    }
    for (const image of ['used:1', 'other:1']) node.store.createContainer({ image });
    await node.age(10 * DAY_MS);
    const list = viewOfImageList({ metadata, spec: { images: ['used:1', 'idle:1'] } });
    const report = await node.clean({ ...usualPolicy, requested: list.rules });
    expect(inUseNote(list, report, regarding)).toMatchObject({
      regarding,
      type: 'Normal',
      note: 'ImageList imagelist names images that are in use and stay: docker.io/library/used:1',
    });
    const idle = viewOfImageList({ metadata, spec: { images: ['idle:1'] } });
    expect(inUseNote(idle, report, regarding)).toBeUndefined();
  });

  it('fits however long the names are', async () => {
    const node = await EmulatedNode.create();
    for (let index = 0; index < 9; index += 1) {
      const tag = `registry.example/${'a'.repeat(230)}${index}:1`;
      node.store.addImage({ tags: [tag] });
      node.store.createContainer({ image: tag });
    }
    const list = viewOfImageList({ metadata, spec: { images: ['*'] } });
    const note = inUseNote(list, await node.clean({ ...usualPolicy, requested: list.rules }), regarding)?.note ?? '';
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
