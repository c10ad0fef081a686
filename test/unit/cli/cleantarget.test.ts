import { describe, expect, it } from 'vitest';
import { cleanTarget } from '../../../agent/cli/cleantarget.ts';

function given(...options: string[]): (option: string) => boolean {
  return (option) => options.includes(option);
}

describe('where a cleaning is to happen', () => {
  it('is this node, with all that goes with it, where no other is named', () => {
    expect(cleanTarget(['repo:*'], {}, given('now', 'keep', 'pace'))).toBeUndefined();
  });

  it('is the nodes that are named', () => {
    expect(cleanTarget([], { node: ['a', 'b'] }, given('wait', 'timeout', 'context'))).toEqual({
      by: 'names',
      names: ['a', 'b'],
    });
  });

  it.each(['wait', 'timeout', 'kubeconfig', 'context', 'namespace'])('cannot be this node with --%s', (option) => {
    expect(() => cleanTarget([], {}, given(option))).toThrow(`--${option} goes with --node, --selector or --all`);
  });

  it.each([
    ['runtimeEndpoint', '--runtime-endpoint'],
    ['config', '--config'],
    ['stateDir', '--state-dir'],
    ['now', '--now'],
    ['minUnused', '--min-unused'],
    ['keep', '--keep'],
    ['pace', '--pace'],
  ])('cannot be other nodes with %s', (option, flag) => {
    expect(() => cleanTarget([], { all: true }, given(option))).toThrow(`${flag} is for this node alone`);
  });

  it('cannot be other nodes with patterns: an ImageList names images there', () => {
    expect(() => cleanTarget(['alpine:3'], { node: ['a'] }, given())).toThrow(/ImageList/);
  });
});
