import { describe, expect, it } from 'vitest';
import { suggest } from '../../../agent/config/suggest.ts';

const KEYS = ['enabled', 'schedule', 'minUnused', 'keep', 'remove', 'removeUnused', 'removeOrphans', 'disk', 'pace'];

describe('the suggestion for an unknown key', () => {
  it.each([
    ['scedule', 'schedule'],
    ['shcedule', 'schedule'],
    ['schedules', 'schedule'],
    ['Schedule', 'schedule'],
    ['min_unused', 'minUnused'],
    ['min-unused', 'minUnused'],
    ['MINUNUSED', 'minUnused'],
    ['removeUnsued', 'removeUnused'],
    ['removeOrphan', 'removeOrphans'],
    ['kep', 'keep'],
    ['dsik', 'disk'],
  ])('%s → %s', (written, meant) => {
    expect(suggest(written, KEYS)).toBe(meant);
  });

  it.each(['', 'x', 'interval', 'constructor', '__proto__', 'toString'])('%j has none', (written) => {
    expect(suggest(written, KEYS)).toBeUndefined();
  });

  it('is not looked for when the key is endless', () => {
    expect(suggest('k'.repeat(100_000), ['k'.repeat(99_999)])).toBeUndefined();
  });

  it('is the nearest where several are near', () => {
    expect(suggest('removd', ['removed', 'remove', 'removes'])).toBe('removed');
  });
});
