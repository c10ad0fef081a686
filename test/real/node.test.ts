import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ClusterNode } from '../harness/clusternode.ts';
import { eventually } from '../harness/eventually.ts';
import { kubectl } from '../harness/kubectl.ts';
import { ControlPlane } from '../harness/kubernetes.ts';
import { Chance } from '../sim/random.ts';

/** The agent as a member of a real cluster; its container runtime is emulated. */

const SETTLE_MS = 3_000;
const namespace = 'agents';

let plane: ControlPlane;
let node: ClusterNode;
let counter = 0;

beforeAll(async () => {
  // Off by default in 1.34: the API server would drop the volumes.
  plane = await ControlPlane.launch({ apiServerFlags: ['--feature-gates=ImageVolume=true'] });
  await kubectl(plane.clients, 'create', 'namespace', namespace);
});
afterAll(async () => {
  await plane?.destroy();
});
beforeEach(async () => {
  counter += 1;
  node = await ClusterNode.create({
    clients: plane.clients,
    name: `node-${counter}`,
    cluster: { settle: `${SETTLE_MS}ms`, namespace },
    // Slow enough to be stopped in the middle.
    images: { pace: { burst: 1, pause: '100ms' } },
  });
});
afterEach(async () => {
  await node.dispose();
});

const old = 'registry.example/old:1';
const clean = 'nodetender.dev/clean';
const handled = 'nodetender.dev/clean-handled';
const hold = 'nodetender.dev/hold';

const many = Array.from({ length: 40 }, (_, index) => `registry.example/many:${index + 100}`);

async function ask(value: string): Promise<void> {
  await kubectl(plane.clients, 'annotate', '--overwrite', 'node', node.name, `${clean}=${value}`);
}

async function untilRemovals(count: number): Promise<void> {
  await eventually(`${count} images are removed`, () => node.removeCalls().length >= count);
}

function runs(): number {
  return node.agent.records.filter(({ msg }) => msg === 'run began').length;
}

describe('a request by annotation', () => {
  it('cleans once, and the Node says what was done', async () => {
    await node.addUnused(old, 'registry.example/older:1');
    await node.startAgent();
    await ask('first');
    const result = await node.untilDone('first');
    expect(result).toMatchObject({ trigger: 'annotation', dryRun: false, outcome: 'done', removed: 2, failed: 0 });
    expect(result.images.toSorted()).toEqual([old, 'registry.example/older:1']);
    expect(node.images()).toEqual([]);
    expect(await node.annotation(handled)).toBe('first');
    const event = await eventually('the Event', async () => (await node.events())[0]);
    expect(event).toMatchObject({ reason: 'ImagesCleaned', type: 'Normal' });
    expect(event.note).toContain('Removed 2 images');
    expect(await kubectl(plane.clients, 'describe', 'node', node.name)).toContain('ImagesCleaned');
    expect(await node.untilState('idle')).toMatchObject({ waiting: null });
  });

  it('is a dry run when the value begins so: nothing goes, and the result names what would', async () => {
    await node.addUnused(old);
    await node.startAgent();
    await ask('dry-run-1');
    expect(await node.untilDone('dry-run-1')).toMatchObject({ dryRun: true, removed: 1, images: [old] });
    expect(node.images()).toEqual([old]);
    await ask('2026-11-23T10:15:00Z');
    expect(await node.untilDone('2026-11-23T10:15:00Z')).toMatchObject({ dryRun: false, removed: 1 });
  });

  it.each(['["registry.example/old:1"]', 'registry.example/old:*', 'old:1', '*'])(
    'that lists images is refused with an Event, and not taken for a wish to clean everything: %s',
    async (value) => {
      await node.addUnused(old);
      await node.startAgent();
      await ask(value);
      const event = await eventually('the Event', async () => (await node.events())[0]);
      expect(event).toMatchObject({ reason: 'CleanRequestRefused', type: 'Warning' });
      expect(event.note).toContain('ImageList');
      expect(await node.annotation(handled)).toBeUndefined();
      await ask('now');
      await node.untilDone('now');
      expect(runs()).toBe(1);
    },
  );

  it('runs again when the agent died between accepting and finishing it, and never after it is done', async () => {
    await node.addUnused(...many);
    const first = await node.startAgent();
    await ask('once');
    await untilRemovals(5);
    await first.kill();
    expect(await node.annotation(handled)).toBe('once');
    expect(await node.lastClean()).toBeUndefined();
    await node.startAgent();
    expect(await node.untilDone('once')).toMatchObject({ outcome: 'done' });
    expect(node.images()).toEqual([]);
    await node.agent.kill();
    const third = await node.startAgent();
    await third.logged('cluster is known');
    // A later wish shows that the earlier had its chance.
    await ask('twice');
    await node.untilDone('twice');
    expect(runs()).toBe(1);
  });

  it('that is under way when the agent is stopped goes on with its next life', async () => {
    await node.addUnused(...many);
    const first = await node.startAgent();
    await ask('go');
    await untilRemovals(3);
    await first.stop();
    expect(await node.lastClean()).toMatchObject({ request: null, outcome: 'stopped' });
    await node.startAgent();
    await node.untilDone('go');
    expect(node.images()).toEqual([]);
  });

  it('stays done when something else sets off later runs', async () => {
    await node.addUnused(old);
    const agent = await node.startAgent();
    await ask('mine');
    await node.untilDone('mine');
    await agent.run();
    await eventually('its result', async () => (await node.lastClean())?.trigger === 'signal');
    expect((await node.lastClean())?.request).toBe('mine');
    await agent.kill();
    const second = await node.startAgent();
    await ask('next');
    await node.untilDone('next');
    expect(second.records.filter(({ msg }) => msg === 'run began')).toHaveLength(1);
  });

  it('that reached the API server before it went away is done when it comes back, once', async () => {
    await node.addUnused(...many);
    const agent = await node.startAgent();
    await ask('away');
    await untilRemovals(3);
    await plane.apiServer.stop();
    await agent.logged('run ended');
    expect(node.images()).toEqual([]);
    await plane.apiServer.start();
    expect(await node.untilDone('away')).toMatchObject({ removed: many.length });
    await ask('later');
    await node.untilDone('later');
    expect(runs()).toBe(2);
  });
});

describe('images that pods on this node name', () => {
  it('stay, before any container is made of them', async () => {
    const named = ['app:1', 'init:1', 'volume:1', 'ephemeral:1'].map((name) => `registry.example/${name}`);
    await node.addUnused(old, ...named);
    await node.bindPod(`pod-${node.name}`, {
      containers: [{ name: 'app', image: named[0] }],
      initContainers: [{ name: 'init', image: named[1] }],
      volumes: [{ name: 'model', image: { reference: named[2] } }],
    });
    await kubectl(plane.clients, 'debug', `pod-${node.name}`, `--image=${named[3]}`, '--attach=false');
    const agent = await node.startAgent();
    await ask('1');
    expect(await node.untilDone('1')).toMatchObject({ removed: 1, kept: { 'in-use': 4 } });
    expect(node.images()).toEqual(named.toSorted());
    // Nor while the API server is away.
    await plane.apiServer.stop();
    await agent.run();
    expect(node.images()).toEqual(named.toSorted());
    await plane.apiServer.start();
  });

  it('protect nothing else, however their image is called', async () => {
    await node.addUnused(old);
    await node.bindPod(`pod-${node.name}`, { containers: [{ name: 'a', image: 'NO such::Image' }] });
    await node.startAgent();
    await ask('1');
    expect(await node.untilDone('1')).toMatchObject({ removed: 1 });
  });
});

describe('a hold', () => {
  it('lets a request wait, which the Node says, until it is taken away', async () => {
    await node.addUnused(old);
    await node.annotate({ [hold]: 'migration of the disk' });
    await node.startAgent();
    await ask('held');
    expect((await node.untilState('held')).waiting).toContain('migration of the disk');
    const event = await eventually('the Event', async () => (await node.events())[0]);
    expect(event).toMatchObject({ reason: 'CleanWaiting', type: 'Normal' });
    expect(await node.annotation(handled)).toBeUndefined();
    expect(node.images()).toEqual([old]);
    await node.annotate({ [hold]: null });
    expect(await node.untilDone('held')).toMatchObject({ removed: 1 });
  });

  it('stops a cleaning under way between two bursts, which then goes on', async () => {
    await node.addUnused(...many);
    const agent = await node.startAgent();
    await ask('long');
    await untilRemovals(3);
    await node.annotate({ [hold]: '' });
    expect(await agent.logged('run ended')).toMatchObject({ outcome: 'stopped' });
    const left = node.images().length;
    expect(left).toBeGreaterThan(0);
    await node.annotate({ [hold]: null });
    expect(await node.untilDone('long')).toMatchObject({ outcome: 'done', removed: left });
  });
});

describe('the pause of all', () => {
  it('stops a cleaning within 5 s and lets none start, until it is over', async () => {
    await node.addUnused(...many);
    const agent = await node.startAgent();
    await ask('long');
    await untilRemovals(3);
    await kubectl(plane.clients, 'create', 'configmap', 'nodetender-control', '-n', namespace);
    const pause = ['annotate', '-n', namespace, 'configmap', 'nodetender-control'];
    await kubectl(plane.clients, ...pause, 'nodetender.dev/pause=incident 12');
    const startedMs = performance.now();
    await agent.logged('run ended');
    expect(performance.now() - startedMs).toBeLessThan(5_000);
    expect((await node.untilState('paused')).waiting).toContain('incident 12');
    await kubectl(plane.clients, ...pause, 'nodetender.dev/pause-');
    await node.untilDone('long');
    expect(node.images()).toEqual([]);
  });
});

describe('a drain', () => {
  it('stops a cleaning, and none starts until the node has been schedulable and Ready for `settle`', async () => {
    const pod = `evicted-${node.name}`;
    await node.addUnused(...many);
    await node.bindPod(pod, { containers: [{ name: 'a', image: 'registry.example/app:1' }] });
    const agent = await node.startAgent();
    await ask('long');
    await untilRemovals(3);
    // Cordoned alone is no drain.
    await node.cordon(true);
    await untilRemovals(node.removeCalls().length + 3);
    await node.beginDeletion(pod);
    expect(await agent.logged('run ended')).toMatchObject({ outcome: 'stopped' });
    const removed = node.removeCalls().length;
    await node.endDeletion(pod);
    await eventually('it says so', async () => (await node.status())?.waiting?.includes('cordoned'));
    await node.setReady(false);
    await node.cordon(false);
    await eventually('it settles', async () => (await node.status())?.waiting?.includes('not Ready'));
    expect(node.removeCalls()).toHaveLength(removed);
    const readyMs = performance.now();
    await node.setReady(true);
    await node.untilDone('long');
    expect(performance.now() - readyMs).toBeGreaterThan(SETTLE_MS);
    expect(node.images()).toEqual([]);
  });

  it('that began before the agent did is seen, too', async () => {
    await node.addUnused(old);
    await node.cordon(true);
    await node.startAgent();
    await ask('1');
    await node.untilState('waiting');
    expect(node.images()).toEqual([old]);
    await node.cordon(false);
    await node.untilDone('1');
  });
});

describe('hostile annotations', () => {
  it('a thousand of them neither harm the agent nor start a run nor flood the cluster with Events', async () => {
    const chance = new Chance(7);
    const values = [
      '{"__proto__": {"x": 1}}',
      '['.repeat(30_000),
      '\u0000\u001B[31m',
      'x'.repeat(100_000),
      ' ',
      '',
      'a/b',
      'DRY RUN, please!',
      '"\\ud800"',
    ];
    await node.addUnused(old);
    const agent = await node.startAgent();
    await eventually('the status', async () => (await node.status()) !== undefined);
    for (let round = 0; round < 1_000; round += 1) {
      const value = `${chance.pick(values) ?? ''}${chance.hits(0.5) ? '' : `/${chance.next()}`}`;
      const key = chance.pick(['clean', 'clean-handled', 'last-clean', 'imagelist']) ?? 'clean';
      await node.annotate({ [`nodetender.dev/${key}`]: value.length >= 100_000 && key !== 'clean' ? null : value });
    }
    expect(agent.isRunning).toBe(true);
    expect(runs()).toBe(0);
    await node.annotate({ 'nodetender.dev/last-clean': null });
    await ask('after-all');
    await node.untilDone('after-all');
    expect(node.images()).toEqual([]);
    expect((await node.events()).length).toBeLessThanOrEqual(30);
  });
});
