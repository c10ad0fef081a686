import { describe, expect, it } from 'vitest';
import { parseLabelSelector } from '../../../agent/node/selectors.ts';
import { staleVotes, votesMissing } from '../../../agent/reboot/hooks.ts';
import { pod } from './gates/pod.ts';

const voters = { annotations: ['example.com/moved'], pods: [parseLabelSelector('app=check')] };
const none = { annotations: [], pods: [] };
const moved = new Map([['example.com/moved', 'true']]);
const check = pod('check-1', { app: 'check' });

describe('votes', () => {
  it('are all there when every annotation is "true" and every selected pod is Ready', () => {
    expect(votesMissing(voters, { annotations: moved, pods: [check, pod('web', {}, { ready: false })] })).toEqual([]);
  });

  it('are named while they are missing', () => {
    const votes = {
      annotations: new Map<string, string>(),
      pods: [check, { ...check, name: 'check-2', ready: false }],
    };
    expect(votesMissing(voters, votes)).toEqual([
      { gate: 'example.com/moved', reason: 'the annotation example.com/moved of the Node is not there' },
      { gate: 'app=check', reason: 'not Ready: shop/check-2' },
    ]);
  });

  it.each(['', 'True', 'yes', 'false'])('are not given by an annotation of %j', (value) => {
    const votes = { annotations: new Map([['example.com/moved', value]]), pods: [check] };
    expect(votesMissing(voters, votes)).toHaveLength(1);
  });

  it('are not given by nobody, nor by a pod that ends', () => {
    for (const pods of [[], [{ ...check, terminating: true }]]) {
      expect(votesMissing(voters, { annotations: moved, pods })).toEqual([
        { gate: 'app=check', reason: 'no pod on this node is selected by app=check' },
      ]);
    }
  });

  it('are missing while nothing is known', () => {
    expect(votesMissing(voters, { annotations: undefined, pods: undefined })).toHaveLength(2);
    expect(votesMissing(none, { annotations: undefined, pods: undefined })).toEqual([]);
  });

  it('of the reboot before are to be taken away, whatever they say', () => {
    expect(staleVotes(voters, moved)).toEqual(['example.com/moved']);
    expect(staleVotes(voters, new Map([['example.com/moved', 'no']]))).toEqual(['example.com/moved']);
    expect(staleVotes(voters, new Map([['example.com/other', 'true']]))).toEqual([]);
  });
});
