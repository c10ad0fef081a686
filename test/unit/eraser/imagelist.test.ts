import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { ObjectMeta } from '../../../agent/cluster/objects.ts';
import { type ImageListObject, viewOfImageList } from '../../../agent/eraser/imagelist.ts';
import { refusedNote } from '../../../agent/eraser/notes.ts';

const metadata: ObjectMeta = { name: 'imagelist', uid: 'a', resourceVersion: '1', generation: 1 };

function view(images: unknown) {
  return viewOfImageList({ metadata, spec: { images } });
}

describe('an ImageList', () => {
  it('takes entries of every kind', () => {
    const id = `sha256:${'0a'.repeat(32)}`;
    const entries = ['*', 'alpine:3.7.3', `alpine@${id}`, id, 'ghcr.io/team/*', 'docker.io/library/alpine:3.7.3'];
    expect(view(entries)).toMatchObject({ refused: [], rules: entries.map((text) => ({ text })) });
  });

  it('goes on without entries that are no rule, which are quoted', () => {
    const read = view(['nginx:1', 'Not An Image', 7, null, ['nginx:2'], '']);
    expect(read.rules.map(({ text }) => text)).toEqual(['nginx:1']);
    expect(read.refused.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5]);
    expect(read.refused[0]?.problem).toContain('"Not An Image"');
  });

  it('that names nothing asks for nothing', () => {
    expect(viewOfImageList({ metadata })).toMatchObject({ rules: [], refused: [] });
    expect(view(null).rules).toEqual([]);
  });

  it('whose images are no list cannot be read', () => {
    expect(() => view('alpine')).toThrow('spec.images');
    expect(() => view({ length: 3 })).toThrow('spec.images');
  });

  it('carries a status when anybody has written one', () => {
    expect(viewOfImageList({ metadata, status: {} }).hasStatus).toBe(false);
    expect(viewOfImageList({ metadata, status: null }).hasStatus).toBe(false);
    expect(viewOfImageList({ metadata, status: { success: 1 } }).hasStatus).toBe(true);
  });

  it('of a hundred thousand entries is read in part, and says so', () => {
    const read = view(Array.from({ length: 100_000 }, (_, index) => `app:${index}`));
    expect(read.rules).toHaveLength(10_000);
    expect(read.refused).toMatchObject([{ problem: expect.stringContaining('100000') }]);
  });

  it('however hostile is read or refused by name, and its Event fits', () => {
    const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 900 }), fc.constantFrom('__proto__', '*', '\u0000'));
    const entry = fc.oneof(text, fc.anything({ maxDepth: 1, maxKeys: 3, withNullPrototype: true }));
    const images = fc.oneof({ weight: 4, arbitrary: fc.array(entry, { maxLength: 8 }) }, fc.anything({ maxDepth: 1 }));
    fc.assert(
      fc.property(
        images,
        fc.anything({ maxDepth: 1 }),
        fc.dictionary(fc.string(), text, { maxKeys: 3 }),
        (list, status, annotations) => {
          const marked = { ...annotations, 'nodetender.dev/run': JSON.stringify(annotations) };
          const object = { metadata: { ...metadata, annotations: marked }, spec: { images: list }, status };
          const read = attempt(object);
          const isReadable = typeof read !== 'string';
          expect(isReadable || read.includes('spec.images')).toBe(true);
          expect(isReadable ? Buffer.byteLength(refusedNote(read).note) : 0).toBeLessThanOrEqual(1024);
          expect(isReadable ? read.run : undefined).toBeUndefined();
        },
      ),
      { numRuns: 1500 },
    );
  });
});

function attempt(object: ImageListObject): ReturnType<typeof viewOfImageList> | string {
  try {
    return viewOfImageList(object);
  } catch (error) {
    return String(error);
  }
}
