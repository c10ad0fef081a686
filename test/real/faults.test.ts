import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { eventually } from '../harness/eventually.ts';
import type { StruckRequest } from '../harness/faultproxy.ts';
import { installEraserObjects } from '../harness/imagelistagents.ts';
import { ControlPlane } from '../harness/kubernetes.ts';
import { StrickenNode } from '../harness/strickennode.ts';
import { retryAfterSeconds, troubles } from '../harness/troubles.ts';

/**
 * Whole agents, each behind a proxy of its own in front of one real API server, through everything that goes wrong between
 * the two: each wish of a person is obeyed once, each ImageList counted exactly, and nothing is asked for when it is over.
 */

const namespace = 'nodetender';
const account = 'agent';
const user = `system:serviceaccount:${namespace}:${account}`;

/** Five watches and three writers, of which each asks a few times in the seconds of a fault. */
const maxStruck = 90;
const timerSlackMs = 50;

let plane: ControlPlane;
const nodes: StrickenNode[] = [];
let imageLists = 0;

beforeAll(async () => {
  plane = await ControlPlane.launch();
  await installEraserObjects(plane.clients);
  await plane.api.create(`/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name: account } });
  await plane.api.create('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    metadata: { name: account },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'ServiceAccount', namespace, name: account }],
  });
  // Counted as skipped without having an agent.
  await plane.api.create('/api/v1/nodes', {
    metadata: { name: 'held', annotations: { 'nodetender.dev/hold': 'mine' } },
  });
  for (const { name, protocol } of troubles) {
    nodes.push(await StrickenNode.create({ plane, namespace, account, name, protocol }));
  }
  await Promise.all(nodes.map((stricken) => stricken.startAgent()));
});
afterAll(async () => {
  await Promise.all(nodes.map((stricken) => stricken.dispose()));
  await plane?.destroy();
});

/** Applied again and again until the API server takes it. */
async function applyImageList(): Promise<void> {
  imageLists += 1;
  const body = { metadata: { name: `list-${imageLists}` }, spec: { images: ['registry.example/none:1'] } };
  const document = { apiVersion: 'eraser.sh/v1', kind: 'ImageList', ...body };
  await eventually(
    'the API server takes the ImageList',
    async () => [201, 409].includes((await plane.api.send('POST', '/apis/eraser.sh/v1/imagelists', document)).status),
    120_000,
  );
}

async function imageListStatus(): Promise<unknown> {
  const path = `/apis/eraser.sh/v1/imagelists/list-${imageLists}`;
  for (let tries = 0; tries < 500; tries += 1) {
    const { body } = await plane.api.send('GET', path);
    if (body['status'] !== undefined) return body['status'];
    await delay(300);
  }
  throw new Error(`list-${imageLists} is not counted`);
}

const exactStatus = { success: troubles.length, failed: 0, skipped: 1 };

/** Requests of all agents within `ms` from now. */
async function requestsWithin(ms: number): Promise<string[]> {
  const before = (await plane.auditEvents()).length;
  await delay(ms);
  const after = (await plane.auditEvents()).slice(before).filter((event) => event.user === user);
  return after.map(({ verb, uri, code }) => `${verb} ${uri} ${code}`);
}

function accounts(): unknown {
  return Object.fromEntries(nodes.map((stricken) => [stricken.name, stricken.account()]));
}

function expectedAccounts(): unknown {
  return Object.fromEntries(nodes.map((stricken) => [stricken.name, stricken.expectedAccount(imageLists)]));
}

/** What they still ask when everything has had its time to end: an idle agent asks less than once in five minutes. */
async function requestsWhenIdle(): Promise<string[]> {
  let last: string[] = [];
  for (let tries = 0; tries < 5; tries += 1) {
    last = await requestsWithin(6_000);
    if (last.length === 0) break;
  }
  return last;
}

describe('agents of which each has another trouble with its way to the API server', () => {
  beforeAll(async () => {
    await Promise.all(nodes.map((stricken) => stricken.askAndBegin()));
    const befalling = troubles.map(async ({ befall }, index) => {
      const stricken = nodes[index];
      if (stricken !== undefined) await befall(stricken);
    });
    await delay(500);
    await Promise.all([...nodes.map((stricken) => stricken.ask()), applyImageList()]);
    await Promise.all(befalling);
    for (const { proxy } of nodes) proxy.clear();
  });

  it('obey every request once', async () => {
    await Promise.all(nodes.map((stricken) => stricken.untilDone()));
    await Promise.all(nodes.map((stricken) => stricken.ask()));
    await Promise.all(nodes.map((stricken) => stricken.untilDone()));
    expect(await imageListStatus()).toMatchObject(exactStatus);
    expect(accounts()).toEqual(expectedAccounts());
    const untroubled = nodes.filter(({ proxy }) => proxy.struck.length + proxy.relay.disturbed === 0);
    expect(untroubled.map(({ name }) => name)).toEqual([]);
  });

  it('do not ask before the time that they were told, nor in haste while they are refused', () => {
    const throttled = nodes.filter(({ name }) => name.startsWith('throttled'));
    const gapsMs = throttled.map(({ proxy }) => shortestGapMs(proxy.struck));
    expect(Math.min(...gapsMs)).toBeGreaterThan(retryAfterSeconds * 1000 - timerSlackMs);
    const asked = nodes.map(({ name, proxy }) => ({ name, struck: proxy.struck.length }));
    expect(asked.filter(({ struck }) => struck > maxStruck)).toEqual([]);
  });

  it('are idle when it is over', async () => {
    expect(await requestsWhenIdle()).toEqual([]);
  });
});

/** Between two requests of one kind. Patches of the Node are of two kinds, which nobody can tell apart. */
function shortestGapMs(struck: readonly StruckRequest[]): number {
  const last = new Map<string, number>();
  let shortestMs = Number.POSITIVE_INFINITY;
  for (const { method, path, atMs } of struck) {
    if (method === 'PATCH') continue;
    const url = new URL(path, 'https://any');
    for (const changing of ['resourceVersion', 'timeoutSeconds']) url.searchParams.delete(changing);
    const kind = `${method} ${url.href}`;
    shortestMs = Math.min(shortestMs, atMs - (last.get(kind) ?? Number.NEGATIVE_INFINITY));
    last.set(kind, atMs);
  }
  return shortestMs;
}

describe('an API server that is killed, and whose past is gone when it is back', () => {
  it('loses no request and doubles none', async () => {
    for (const { proxy } of nodes) proxy.stepAside();
    await Promise.all(nodes.map((stricken) => stricken.askAndBegin()));
    await plane.forgetHistory();
    await Promise.all([...nodes.map((stricken) => stricken.ask()), applyImageList()]);
    await Promise.all(nodes.map((stricken) => stricken.untilDone()));
    expect(await imageListStatus()).toMatchObject(exactStatus);
    expect(accounts()).toEqual(expectedAccounts());
  });

  it('is left alone when it is over', async () => {
    expect(await requestsWhenIdle()).toEqual([]);
  });
});

describe('an API server whose etcd hangs and is gone for a minute', () => {
  it('loses no request and doubles none', async () => {
    await Promise.all([...nodes.map((stricken) => stricken.askAndBegin()), applyImageList()]);
    await plane.etcd.pause();
    const asking = nodes.map((stricken) => stricken.ask());
    await delay(30_000);
    await plane.etcd.kill();
    await delay(30_000);
    await plane.etcd.start();
    await Promise.all(asking);
    await Promise.all(nodes.map((stricken) => stricken.untilDone()));
    expect(await imageListStatus()).toMatchObject(exactStatus);
    expect(accounts()).toEqual(expectedAccounts());
  });

  it('is left alone when it is over', async () => {
    expect(await requestsWhenIdle()).toEqual([]);
  });
});
