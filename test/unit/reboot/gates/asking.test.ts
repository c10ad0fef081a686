import { describe, expect, it } from 'vitest';
import { parseLabelSelector } from '../../../../agent/node/selectors.ts';
import { askGates, askHealth } from '../../../../agent/reboot/gates/asking.ts';
import type { AskPrometheus } from '../../../../agent/reboot/gates/asking.ts';
import { pod } from './pod.ts';

const rules = {
  blockingPods: [parseLabelSelector('app=job')],
  alerts: { ignore: /^Watchdog$/u, only: undefined, firingOnly: false },
};
const health = { daemonSetPods: false, pods: [parseLabelSelector('app=db')], queries: ['up{node="{{node}}"}', 'ok'] };
const fails: AskPrometheus = async () => {
  throw new Error('no answer from prometheus within 30 s');
};
const firing =
  (name: string): AskPrometheus =>
  async () => [{ labels: new Map([['alertname', name]]), value: 1 }];

describe('the gates', () => {
  it('are clear when nothing is in the way', async () => {
    expect(await askGates(rules, [pod('web', {})], firing('Watchdog'))).toEqual([]);
  });

  it('tell everything that is in the way at once', async () => {
    expect(await askGates(rules, [pod('job', { app: 'job' })], firing('Ceph'))).toEqual([
      { gate: 'pods', reason: 'blocked by shop/job' },
      { gate: 'prometheus', reason: 'alert Ceph' },
    ]);
  });

  it('are closed by a query that fails', async () => {
    expect(await askGates(rules, [], fails)).toEqual([
      { gate: 'prometheus', reason: 'no answer from prometheus within 30 s' },
    ]);
  });

  it('do not ask where there is no Prometheus', async () => {
    expect(await askGates(rules, [], undefined)).toEqual([]);
  });
});

describe('the health after a reboot', () => {
  it('asks each query, about this node', async () => {
    const asked: string[] = [];
    const ask: AskPrometheus = async (query) => {
      asked.push(query);
      return [{ labels: new Map(), value: query === 'ok' ? 0 : 1 }];
    };
    expect(await askHealth(health, [], ask, 'node-1')).toEqual([
      { gate: 'prometheus', reason: 'health.queries[1] gives 0' },
    ]);
    expect(asked).toEqual(['up{node="node-1"}', 'ok']);
  });

  it('is not good while pods are not, or a query fails', async () => {
    const pods = [pod('db', { app: 'db' }, { ready: false })];
    expect((await askHealth(health, pods, fails, 'node-1')).map(({ gate }) => gate)).toEqual(['pods', 'prometheus']);
  });

  it('asks nothing where no query is given', async () => {
    expect(await askHealth({ ...health, queries: [] }, [], fails, 'node-1')).toEqual([]);
  });
});
