import { describe, expect, it } from 'vitest';
import { selectionOf } from '../../../agent/cli/selection.ts';

describe('the nodes that a command line means', () => {
  it('are those that it names, each once, also as -o name prints them', () => {
    expect(selectionOf(['web-1', 'node/web-2', 'nodes/web-1'], {})).toEqual({ by: 'names', names: ['web-1', 'web-2'] });
  });

  it('are those with a label, or all', () => {
    expect(selectionOf([], { selector: 'pool=web' })).toEqual({ by: 'selector', selector: 'pool=web' });
    expect(selectionOf([], { all: true })).toEqual({ by: 'all' });
  });

  it('are none where nothing is said', () => {
    expect(selectionOf([], {})).toBeUndefined();
  });

  it.each([
    { names: ['web-1'], options: { all: true } },
    { names: ['web-1'], options: { selector: 'a=b' } },
    { names: [], options: { selector: 'a=b', all: true } },
  ])('cannot be said in two ways: $names $options', ({ names, options }) => {
    expect(() => selectionOf(names, options)).toThrow(/one of them alone/);
  });

  it('are not all of them because a variable was empty', () => {
    expect(() => selectionOf([], { selector: '' })).toThrow(/--selector is empty/);
    expect(() => selectionOf([], { selector: ' ' })).toThrow(/--selector is empty/);
  });

  it.each(['', '..', 'a/b', 'pods/a', 'UPPER', 'a b', '-a', 'a?b', '%2e%2e', 'x'.repeat(254)])(
    'have names that Kubernetes takes, unlike "%s"',
    (name) => {
      expect(() => selectionOf([name], {})).toThrow(/cannot be the name of a node/);
    },
  );
});
