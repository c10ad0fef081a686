import { describe, expect, it } from 'vitest';

import { parseLabelSelector, selectorMatches } from '../../../agent/node/selectors.ts';

function matches(selector: string, labels: Record<string, string>): boolean {
  return selectorMatches(parseLabelSelector(selector), new Map(Object.entries(labels)));
}

const node = { 'eraser.sh/cleanup.filter': '', pool: 'gpu', 'kubernetes.io/os': 'linux' };

describe('a label selector', () => {
  it.each([
    ['eraser.sh/cleanup.filter', true],
    ['!eraser.sh/cleanup.filter', false],
    ['!spot', true],
    ['pool=gpu', true],
    ['pool==gpu', true],
    ['pool = web', false],
    ['pool!=web', true],
    ['pool!=gpu', false],
    ['spot!=true', true],
    ['pool in (web, gpu)', true],
    ['pool in (web)', false],
    ['pool notin (web,db)', true],
    ['spot notin (true)', true],
    ['spot in (true)', false],
    ['pool=gpu,kubernetes.io/os=linux', true],
    ['pool in (gpu,web),kubernetes.io/os=windows', false],
    ['eraser.sh/cleanup.filter=', true],
  ])('%s matches: %s', (selector, expected) => {
    expect(matches(selector, node)).toBe(expected);
  });

  it.each(['', 'a,,b', 'a b', 'a in b', 'a=b=c', '-a', 'a=b c', 'a in (b', '__proto__=x!', 'x'.repeat(5000)])(
    '%j is refused by name',
    (selector) => {
      expect(() => parseLabelSelector(selector)).toThrow(expect.objectContaining({ code: 'rule/invalid' }));
    },
  );
});
