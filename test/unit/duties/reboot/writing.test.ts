import { beforeEach, describe, expect, it } from 'vitest';
import { KubernetesClient } from '../../../../agent/cluster/client.ts';
import { type NodeView, viewOfNode } from '../../../../agent/cluster/node.ts';
import { type NodeObject, nodes } from '../../../../agent/cluster/objects.ts';
import type { KubernetesPort } from '../../../../agent/cluster/port.ts';
import { type Config, parseConfig } from '../../../../agent/config/load.ts';
import { writeState } from '../../../../agent/duties/reboot/writing.ts';
import { initialState, type State } from '../../../../agent/reboot/state.ts';
import { VirtualClock } from '../../../emulators/clock.ts';
import { EmulatedApiServer } from '../../../emulators/kubernetes/apiserver.ts';
import { InMemoryTransport } from '../../../emulators/kubernetes/transport.ts';

const signal = new AbortController().signal;

let clock: VirtualClock;
let server: EmulatedApiServer;
let port: KubernetesClient;
let seen: NodeView;
let before: State;
let config: Config['reboot'];
beforeEach(async () => {
  config = parseConfig('{}', 'test').reboot;
  clock = new VirtualClock();
  server = new EmulatedApiServer({ clock });
  server.access.grant('agent');
  const transport = new InMemoryTransport({ server, user: 'agent', clock });
  port = new KubernetesClient({ transport, clock, random: () => 0.5, userAgent: 'nodetender/test' });
  seen = viewOfNode(await clock.run(port.create(nodes, undefined, { metadata: { name: 'node-1' } })));
  before = initialState(seen.uid, clock.nowMs());
});

async function write(kind: 'record' | 'cordon' | 'uncordon', after: Partial<State>): Promise<NodeObject> {
  const write = { kind, before, after: { ...before, ...after }, seen, config, pool: { name: 'workers', slots: 2 } };
  return await clock.run(writeState(port, write, signal));
}

async function change(body: object, subresource?: 'status'): Promise<void> {
  await clock.run(port.patch(nodes, { name: 'node-1' }, { type: 'merge', body, ...(subresource && { subresource }) }));
}

const patches = (): number => server.faults.arrivals.filter(({ verb }) => verb === 'patch').length;

describe('the write of a state', () => {
  it('is one patch of label, record and cordon together', async () => {
    const { metadata, spec } = await write('cordon', { phase: 'cordoned', cordonedByUs: true });
    expect(patches()).toBe(1);
    expect(metadata.labels?.['nodetender.dev/state']).toBe('cordoned');
    expect(metadata.annotations?.['nodetender.dev/reboot-status']).toContain('"cordonedByUs":true');
    expect(spec?.unschedulable).toBe(true);
  });

  it('takes label and cordon away again in one, and leaves a cordon alone where it only records', async () => {
    before = { ...before, phase: 'cordoned', cordonedByUs: true };
    await change({ spec: { unschedulable: true } });
    seen = { ...seen, unschedulable: true };
    expect((await write('record', { phase: 'draining' })).spec?.unschedulable).toBe(true);
    seen = viewOfNode(await clock.run(port.get(nodes, { name: 'node-1' })));
    const { metadata, spec } = await write('uncordon', { phase: 'idle', cordonedByUs: false });
    expect([metadata.labels?.['nodetender.dev/state'], spec?.unschedulable ?? false]).toEqual([undefined, false]);
  });

  it('comes through although the kubelet reports meanwhile', async () => {
    await change({ status: { conditions: [{ type: 'Ready', status: 'True' }] } }, 'status');
    expect((await write('record', { phase: 'wanted' })).metadata.labels?.['nodetender.dev/state']).toBe('wanted');
  });

  it.each([
    ['cordoned it', { spec: { unschedulable: true } }],
    ['written another record', { metadata: { annotations: { 'nodetender.dev/reboot-status': '{}' } } }],
    ['held it', { metadata: { annotations: { 'nodetender.dev/hold': 'disk' } } }],
    ['asked for another reboot', { metadata: { annotations: { 'nodetender.dev/reboot': 'two' } } }],
  ])('is refused, with nothing written, where somebody has %s since the machine looked', async (_, body) => {
    await change(body);
    server.faults.forgetArrivals();
    await expect(write('cordon', { phase: 'cordoned' })).rejects.toMatchObject({ code: 'cluster/conflict' });
    expect(patches()).toBe(0);
  });

  it('is refused for a Node of the same name that is another', async () => {
    seen = { ...seen, uid: 'before' };
    await expect(write('record', { phase: 'wanted' })).rejects.toMatchObject({ code: 'cluster/conflict' });
  });

  it('is refused where the cordon has become somebody else’s', async () => {
    before = { ...before, phase: 'releasing', cordonedByUs: true };
    await change({ spec: { unschedulable: true } });
    seen = { ...seen, unschedulable: true, cordonedBySomebody: true };
    await expect(write('uncordon', { phase: 'idle' })).rejects.toMatchObject({ code: 'cluster/conflict' });
  });

  it('is refused where the Node changes between the look at it and the patch', async () => {
    const hurried: Pick<KubernetesPort, 'get' | 'patch'> = {
      get: async (...call) => {
        const found = await port.get(...call);
        await change({ metadata: { labels: { pool: 'other' } } });
        return found;
      },
      patch: async (...call) => await port.patch(...call),
    };
    const after: State = { ...before, phase: 'cordoned' };
    const writing = writeState(
      hurried,
      { kind: 'cordon', before, after, seen, config, pool: { name: 'workers', slots: 2 } },
      signal,
    );
    await expect(clock.run(writing)).rejects.toMatchObject({ code: 'cluster/conflict' });
  });

  it.each([
    ['which we cordon', 'cordon', false],
    ['which somebody has cordoned already', 'record', true],
  ] as const)(
    'takes off a yes of the last reboot as the asking begins on a node %s',
    async (_, kind, unschedulable) => {
      await change({ metadata: { annotations: { 'example.com/ok': 'true' } }, spec: { unschedulable } });
      seen = viewOfNode(await clock.run(port.get(nodes, { name: 'node-1' })));
      config = parseConfig('reboot: {hooks: {before: {annotations: [example.com/ok]}}}', 'test').reboot;
      before = { ...before, phase: 'waiting' };
      const { metadata } = await write(kind, { phase: 'cordoned' });
      expect(metadata.annotations).not.toHaveProperty('example.com/ok');
    },
  );

  it('keeps the yes of this reboot where an order that was not given goes back to the asking', async () => {
    await change({ metadata: { annotations: { 'example.com/ok': 'true' } } });
    seen = viewOfNode(await clock.run(port.get(nodes, { name: 'node-1' })));
    config = parseConfig('reboot: {hooks: {before: {annotations: [example.com/ok]}}}', 'test').reboot;
    before = { ...before, phase: 'rebooting' };
    expect((await write('record', { phase: 'cordoned' })).metadata.annotations).toHaveProperty('example.com/ok');
  });

  it.each([
    { what: 'the first boot', from: 'rebooting', announced: true, stays: false },
    { what: 'a second one before the first was proven', from: 'verifying', announced: true, stays: false },
    { what: 'a boot that nobody was told of', from: 'waiting', announced: false, stays: true },
  ] as const)('asks anew after $what', async ({ from, announced, stays }) => {
    await change({ metadata: { annotations: { 'example.com/ok': 'true' } } });
    seen = viewOfNode(await clock.run(port.get(nodes, { name: 'node-1' })));
    config = parseConfig('reboot: {hooks: {after: {annotations: [example.com/ok]}}}', 'test').reboot;
    before = { ...before, phase: from, bootId: 'boot-1' };
    const lastReboot = { bootId: 'boot-2', atMs: clock.nowMs(), judged: false, announced };
    const { metadata } = await write('record', { phase: 'verifying', bootId: 'boot-2', lastReboot });
    expect(Object.keys(metadata.annotations ?? {}).includes('example.com/ok')).toBe(stays);
  });
});
