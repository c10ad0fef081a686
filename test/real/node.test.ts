import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ClusterNode } from '../harness/clusternode.ts';
import { eventually } from '../harness/eventually.ts';
import { ControlPlane } from '../harness/kubernetes.ts';

/** The agent as a member of a real cluster; its container runtime is emulated. */

let plane: ControlPlane;
let node: ClusterNode;
let counter = 0;

beforeAll(async () => {
  plane = await ControlPlane.launch();
});
afterAll(async () => {
  await plane.destroy();
});
beforeEach(async () => {
  counter += 1;
  node = await ClusterNode.create({ clients: plane.clients, name: `node-${counter}`, cluster: { settle: '4s' } });
});
afterEach(async () => {
  await node.dispose();
  await plane.kubectl('delete', 'pods', '--all', '--force', '--grace-period=0', '--wait=false');
});

const old = 'registry.example/old:1';
const clean = 'nodetender.dev/clean';

describe('a request by annotation', () => {
  it('cleans once, and the Node says what was done', async () => {
    await node.addUnused(old, 'registry.example/older:1');
    await node.startAgent();
    await plane.kubectl('annotate', 'node', node.name, `${clean}=first`);
    const result = await node.untilDone('first');
    expect(result).toMatchObject({ trigger: 'annotation', dryRun: false, outcome: 'done', removed: 2, failed: 0 });
    expect(result.images.toSorted()).toEqual([old, 'registry.example/older:1']);
    expect(node.images()).toEqual([]);
    expect(await node.annotation('nodetender.dev/clean-handled')).toBe('first');
    const event = await eventually('the Event', async () => (await node.events())[0]);
    expect(event).toMatchObject({ reason: 'ImagesCleaned', type: 'Normal' });
    expect(event.note).toContain('Removed 2 images');
    expect(await plane.kubectl('describe', 'node', node.name)).toContain('ImagesCleaned');
  });
});
