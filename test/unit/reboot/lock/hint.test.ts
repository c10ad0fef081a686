import { describe, expect, it } from 'vitest';

import { decodeHint, encodeHint } from '../../../../agent/reboot/lock/hint.ts';

describe('the hint on a free slot', () => {
  it('comes back as it was written, with three names at most', () => {
    expect(decodeHint(encodeHint({ nodes: ['a', 'b', 'c', 'd'], waiting: 17 }))).toEqual({
      nodes: ['a', 'b', 'c'],
      waiting: 17,
    });
  });

  it('is read by a version that knows less of it', () => {
    expect(decodeHint('{"nodes":["a"],"waiting":1,"later":true}')).toEqual({ nodes: ['a'], waiting: 1 });
  });

  it.each([
    undefined,
    '',
    'a,b',
    '[]',
    'null',
    '{"nodes":"a","waiting":1}',
    '{"nodes":["a"]}',
    '{"nodes":["a"],"waiting":-1}',
    '{"nodes":["a"],"waiting":"many"}',
    JSON.stringify({ nodes: ['a'.repeat(2_000)], waiting: 1 }),
  ])('is none where somebody wrote %j', (text) => {
    expect(decodeHint(text)).toBeUndefined();
  });

  it('keeps what is a name of what is not', () => {
    expect(decodeHint('{"nodes":[1,"a",null],"waiting":2}')).toEqual({ nodes: ['a'], waiting: 2 });
  });
});
