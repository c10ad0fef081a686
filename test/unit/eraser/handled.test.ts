import { describe, expect, it } from 'vitest';
import { decodeHandled, encodeHandled } from '../../../agent/eraser/handled.ts';

describe('what was handled, on the Lease', () => {
  it('is read as it was written', () => {
    const handled = new Map([
      ['a', 1],
      ['b', 7],
    ]);
    expect(decodeHandled(encodeHandled(handled))).toEqual(handled);
  });

  it('has room for the last few hundred lists', () => {
    const uid = (index: number): string => `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;
    const text = encodeHandled(new Map(Array.from({ length: 5_000 }, (_, index) => [uid(index), index])));
    expect(text.length).toBeLessThan(30_000);
    expect([decodeHandled(text).get(uid(4_999)), decodeHandled(text).size]).toEqual([4_999, 500]);
  });

  it.each([undefined, '', '{', '[]', 'null', '{"a":"1"}', '{"a":-1}', '{"a":1.5}'])(
    'is nothing where %j stands',
    (value) => {
      expect(decodeHandled(value)).toEqual(new Map());
    },
  );
});
