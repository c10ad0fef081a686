import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { LastClean } from '../../agent/cluster/records.ts';
import { DocumentedCluster } from '../harness/documentedcluster.ts';
import { eventually } from '../harness/eventually.ts';
import type { MemberNode } from '../harness/membernode.ts';
import { commandsOfPage } from '../harness/page.ts';
import { permissionsListed, permissionsUsed } from '../harness/permissions.ts';

/** docs/kubectl.md, typed line by line into a shell, on a real API server with real agents on real containerds. */

const page = commandsOfPage('kubectl.md');
const old = 'registry.example/old:1';

let cluster: DocumentedCluster;

beforeAll(async () => {
  cluster = await DocumentedCluster.launch();
});
afterAll(async () => {
  await cluster?.dispose();
});

function below(heading: string): readonly string[] {
  return page.get(heading) ?? [];
}

/** As asked for by its annotation. */
async function untilCleaned(node: string): Promise<LastClean> {
  const asked = await cluster.node(node).annotation('nodetender.dev/clean');
  return await cluster.node(node).untilDone(asked ?? 'nothing was asked');
}

/** The status says that nothing is removed now, and these words of the reason. */
async function untilItWaits(node: MemberNode, reason: string): Promise<void> {
  const waits = async (): Promise<boolean | undefined> => (await node.status())?.waiting?.includes(reason);
  await eventually(`${node.name} waits: ${reason}`, waits);
}

/** The annotation on web-1, web-2 and db-1. */
async function values(annotation: string): Promise<(string | undefined)[]> {
  return await Promise.all(cluster.nodes.map(async (node) => await node.annotation(`nodetender.dev/${annotation}`)));
}

it('has commands below these headings alone', () => {
  expect([...page.keys()]).toEqual([
    'Cleaning now',
    'What agents say',
    'Leaving nodes alone',
    'Stopping every agent',
    'The commands',
  ]);
});

describe('typed into a shell', () => {
  beforeEach(async () => {
    await cluster.startAgentsWith(old);
  });
  afterEach(async () => {
    for (const node of cluster.nodes)
      await node.annotate({ 'nodetender.dev/clean': null, 'nodetender.dev/hold': null });
    await cluster.plane.api.delete('/api/v1/namespaces/nodetender/configmaps/nodetender-control');
  });

  describe('cleaning now', () => {
    const [one = '', some = '', all = '', dryRun = '', withdraw = '', ...more] = below('Cleaning now');

    it('cleans one node, those with a label, and all of them, of what nothing uses', async () => {
      expect(more).toEqual([]);
      await cluster.type(one);
      expect(await untilCleaned('web-1')).toMatchObject({ removed: 1, failed: 0, images: [old] });
      expect(await cluster.images()).toEqual([[], [old], [old]]);
      await cluster.type(some);
      await untilCleaned('web-2');
      expect(await cluster.images()).toEqual([[], [], [old]]);
      await cluster.type(all);
      await untilCleaned('db-1');
      expect(await cluster.images()).toEqual([[], [], []]);
    });

    it('tells what would go', async () => {
      await cluster.type(dryRun);
      expect(await untilCleaned('web-1')).toMatchObject({ dryRun: true, removed: 1, images: [old] });
      expect(await cluster.images()).toEqual([[old], [old], [old]]);
    });

    it('is withdrawn', async () => {
      await cluster.node('web-1').annotate({ 'nodetender.dev/hold': 'until it is withdrawn' });
      await cluster.type(one);
      await cluster.node('web-1').untilState('held');
      await cluster.type(withdraw);
      await cluster.node('web-1').annotate({ 'nodetender.dev/hold': null });
      await cluster.node('web-1').untilState('idle');
      expect((await cluster.images())[0]).toEqual([old]);
    });
  });

  it('shows what agents say', async () => {
    const [status = '', result = '', table = '', events = '', ...more] = below('What agents say');
    expect(more).toEqual([]);
    await cluster.node('web-1').annotate({ 'nodetender.dev/clean': 'shown' });
    await untilCleaned('web-1');
    expect(JSON.parse(await cluster.type(status))).toMatchObject({ version: expect.any(String), waiting: null });
    expect(JSON.parse(await cluster.type(result))).toMatchObject({ request: 'shown', removed: 1, images: [old] });
    expect(await cluster.type(table)).toMatch(/^NAME +HOLD +LAST\n(.*\n)*web-1 +<none> +\{"request":"shown"/);
    await eventually('the Event', async () => /ImagesCleaned +node\/web-1/.test(await cluster.type(events)));
  });

  it('leaves one node, those with a label and all of them alone, and ends it', async () => {
    const [one = '', some = '', all = '', endOne = '', endAll = '', ...more] = below('Leaving nodes alone');
    expect(more).toEqual([]);
    await cluster.type(one);
    expect(await values('hold')).toEqual(['disk being moved, ask Ada', undefined, undefined]);
    await cluster.type(some);
    expect(await values('hold')).toEqual(['load test until Friday', 'load test until Friday', undefined]);
    await cluster.type(all);
    expect(await values('hold')).toEqual(['freeze', 'freeze', 'freeze']);
    await cluster.type(below('Cleaning now').find((line) => line.includes('--all')) ?? '');
    for (const node of cluster.nodes) await untilItWaits(node, 'freeze');
    await cluster.type(endOne);
    await untilCleaned('web-1');
    expect(await cluster.images()).toEqual([[], [old], [old]]);
    await cluster.type(endAll);
    for (const node of ['web-2', 'db-1']) await untilCleaned(node);
    expect(await cluster.images()).toEqual([[], [], []]);
  });

  it('stops every agent, whose requests then wait, and ends it', async () => {
    const [create = '', pause = '', end = '', ...more] = below('Stopping every agent');
    expect(more).toEqual([]);
    await cluster.type(create);
    await cluster.type(pause);
    for (const node of cluster.nodes) await untilItWaits(node, 'incident 4711');
    for (const node of cluster.nodes) {
      await node.annotate({ 'nodetender.dev/clean': 'paused' });
      await eventually('an Event says that it waits', async () =>
        (await node.events()).some(({ reason, note }) => reason === 'CleanWaiting' && note.includes('incident 4711')),
      );
    }
    expect(await cluster.images()).toEqual([[old], [old], [old]]);
    await cluster.type(end);
    for (const node of cluster.nodes) await untilCleaned(node.name);
    expect(await cluster.images()).toEqual([[], [], []]);
  });

  describe('the commands', () => {
    const [nodes = '', cleanSome = '', dryRun = '', hold = '', resume = '', pause = '', end = '', ...more] =
      below('The commands');

    it('clean what is selected, and show it', async () => {
      expect(more).toEqual([]);
      const cleaned = await cluster.type(cleanSome);
      expect(cleaned.match(/^node\/web-\d cleaned: 1 images? removed in /gm)).toHaveLength(2);
      expect(await cluster.images()).toEqual([[], [], [old]]);
      const table = await cluster.type(nodes);
      for (const name of ['web-1', 'web-2']) {
        expect(table).toMatch(new RegExp(`^${name} +\\d\\S+ +\\w+ +\\d+s +\\S+ +1 +\\S.* <none>`, 'm'));
      }
      expect(table).not.toContain('db-1');
    });

    it('tell what would go everywhere', async () => {
      const { nodes: found } = JSON.parse(await cluster.type(dryRun)) as { nodes: object[] };
      expect(found).toHaveLength(3);
      expect(await cluster.images()).toEqual([[old], [old], [old]]);
    });

    it('hold a node, and resume it', async () => {
      expect(await cluster.type(hold)).toBe('node/web-1 held\n');
      await untilItWaits(cluster.node('web-1'), 'disk being moved');
      expect(await cluster.type(resume)).toBe('node/web-1 resumed\n');
      await cluster.type(cleanSome);
      expect(await cluster.images()).toEqual([[], [], [old]]);
    });

    it('pause all agents, and resume them', async () => {
      // As the page says: where there is no such ConfigMap, -n names the namespace, and it is made there.
      await expect(cluster.type(pause)).rejects.toThrow('--namespace');
      expect(await cluster.type(`${pause} -n nodetender`)).toBe('configmap/nodetender-control paused\n');
      for (const node of cluster.nodes) await untilItWaits(node, 'incident 4711');
      expect(await cluster.type(end)).toBe('configmap/nodetender-control resumed\n');
      expect(await cluster.type(pause)).toBe('configmap/nodetender-control paused\n');
      expect(await cluster.type(end)).toBe('configmap/nodetender-control resumed\n');
      await cluster.type(cleanSome);
      expect(await cluster.images()).toEqual([[], [], [old]]);
    });
  });
});

/** Last: it is about everything above. */
describe('the audit log', () => {
  it('holds every permission of a person in the chart, and no other', async () => {
    expect(permissionsUsed(await cluster.requestsOf('person'))).toEqual(permissionsListed('person'));
  });

  it('holds nothing of the agent that is not in the chart', async () => {
    const used = permissionsUsed(await cluster.requestsOf('agent'));
    expect(permissionsListed('agent')).toEqual(expect.arrayContaining(used));
  });
});
