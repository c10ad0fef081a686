import { describe, expect, it } from 'vitest';
import { parseLabelSelector } from '../../../../agent/node/selectors.ts';
import { podsInTheWay } from '../../../../agent/reboot/gates/pods.ts';
import { pod } from './pod.ts';

const jobs = parseLabelSelector('app=job');
const batch = parseLabelSelector('tier in (batch,training)');

describe('pods that block a reboot', () => {
  it('are those that one of the selectors finds', () => {
    const pods = [pod('web', { app: 'web' }), pod('job-1', { app: 'job' }), pod('fit', { tier: 'training' })];
    expect(podsInTheWay([jobs, batch], pods)).toEqual({
      gate: 'pods',
      reason: 'blocked by shop/job-1, shop/fit',
    });
    expect(podsInTheWay([batch], pods.slice(0, 2))).toBeUndefined();
  });

  it('block while they wait to start and while they end, no longer when they have ended', () => {
    const inPhase = (phase: string) => podsInTheWay([jobs], [pod('job-1', { app: 'job' }, { phase })])?.gate;
    expect(['Pending', 'Running', 'Unknown'].map(inPhase)).toEqual(['pods', 'pods', 'pods']);
    expect(['Succeeded', 'Failed'].map(inPhase)).toEqual([undefined, undefined]);
    expect(podsInTheWay([jobs], [pod('job-1', { app: 'job' }, { terminating: true })])?.gate).toBe('pods');
  });

  it('block when they are not known, unless nobody asks for them', () => {
    expect(podsInTheWay([jobs], undefined)?.reason).toBe('the pods of this node are not known');
    expect(podsInTheWay([], undefined)).toBeUndefined();
  });

  it('are named, but not hundreds of them', () => {
    const pods = Array.from({ length: 300 }, (_, index) => pod(`job-${index}`, { app: 'job' }));
    expect(podsInTheWay([jobs], pods)?.reason).toBe(
      'blocked by shop/job-0, shop/job-1, shop/job-2, shop/job-3, shop/job-4 and 295 more',
    );
  });
});
