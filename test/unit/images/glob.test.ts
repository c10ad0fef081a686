import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileGlob, matchesNarrowly, matchesWidely } from '../../../agent/images/glob.ts';

const few = fc.array(fc.constantFrom('a', 'b', '*', '/'), { maxLength: 9 }).map((parts) => parts.join(''));
const plain = fc.array(fc.constantFrom('a', 'b', '/'), { maxLength: 9 }).map((parts) => parts.join(''));

describe('a pattern with stars', () => {
  it('matches widely what the regular expression with .* matches', () => {
    fc.assert(
      fc.property(few, plain, (pattern, text) => {
        const expected = new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(text);
        expect(matchesWidely(compileGlob(pattern), text)).toBe(expected);
      }),
      { numRuns: 5000 },
    );
  });

  it('matches narrowly what the one with [^/]* matches, and everything below a last /*', () => {
    fc.assert(
      fc.property(few, plain, (pattern, text) => {
        const below = pattern === '*' || pattern.endsWith('/*');
        const stem = below ? pattern.slice(0, -1) : pattern;
        const expected = new RegExp(`^${stem.replaceAll('*', '[^/]*')}${below ? '.*' : ''}$`).test(text);
        expect(matchesNarrowly(compileGlob(pattern), text)).toBe(expected);
      }),
      { numRuns: 5000 },
    );
  });

  it('never lets two pieces overlap in the text', () => {
    expect(matchesWidely(compileGlob('ab*ba'), 'aba')).toBe(false);
    expect(matchesWidely(compileGlob('a*b*b'), 'ab')).toBe(false);
    expect(matchesWidely(compileGlob('*ab*ab*'), 'cabc')).toBe(false);
    expect(matchesWidely(compileGlob('ab*ba'), 'abba')).toBe(true);
  });
});
