import semver from 'semver';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { isSurelyInRange, mayBeInRange, parseVersionRange } from '../../../agent/images/versions.ts';

function range(text: string): NonNullable<ReturnType<typeof parseVersionRange>> {
  const parsed = parseVersionRange(text);
  if (parsed === undefined) throw new Error(`${text} is no range`);
  return parsed;
}

const floatingTags = Array.from({ length: 200 }, (_, at) => `${at % 10}.${Math.trunc(at / 10)}`);

describe('a version range and floating tags', () => {
  afterEach(() => vi.restoreAllMocks());

  it('are compared once, however often a node with these tags is planned', () => {
    const intersects = vi.spyOn(semver, 'intersects');
    const subset = vi.spyOn(semver, 'subset');
    const rule = range('>=1.2 <2 || >=5');
    const ask = (): boolean[] =>
      floatingTags.flatMap((tag) => [
        mayBeInRange(rule, tag),
        mayBeInRange(rule, `v${tag}-alpine`),
        isSurelyInRange(rule, tag),
      ]);
    const first = ask();
    expect(intersects).toHaveBeenCalledTimes(floatingTags.length);
    const subsets = subset.mock.calls.length;
    expect(ask()).toEqual(first);
    expect(intersects).toHaveBeenCalledTimes(floatingTags.length);
    expect(subset).toHaveBeenCalledTimes(subsets);
  });

  it('have answers of their own for each range, and for keeping and removing', () => {
    const [below, above] = [range('>=1.4.1 <2'), range('>=2')];
    for (let round = 0; round < 2; round += 1) {
      expect([mayBeInRange(below, '1.4'), isSurelyInRange(below, '1.4'), isSurelyInRange(below, '1.5')]).toEqual([
        true,
        false,
        true,
      ]);
      expect([mayBeInRange(above, '1.4'), mayBeInRange(above, '2.0'), isSurelyInRange(above, '2.0')]).toEqual([
        false,
        true,
        true,
      ]);
    }
  });

  it('are forgotten at 20,000 answers and found again, the same', () => {
    const intersects = vi.spyOn(semver, 'intersects').mockImplementation((span) => span === '1.0.x');
    const rule = range('>=1');
    expect(mayBeInRange(rule, '1.0')).toBe(true);
    for (let minor = 0; minor < 20_000; minor += 1) mayBeInRange(rule, `7.${minor}`);
    expect(intersects).toHaveBeenCalledTimes(20_001);
    expect(mayBeInRange(rule, '1.0')).toBe(true);
    expect(intersects).toHaveBeenCalledTimes(20_002);
  });
});
