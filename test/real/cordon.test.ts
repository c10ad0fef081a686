import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { viewOfNode } from '../../agent/cluster/node.ts';
import { nodes } from '../../agent/cluster/objects.ts';
import type { KubernetesPort } from '../../agent/cluster/port.ts';
import { agentPort } from '../harness/agentport.ts';
import { kubectl } from '../harness/kubectl.ts';
import { ControlPlane } from '../harness/kubernetes.ts';

/** Whose a cordon is, by the record that the API server keeps of who wrote what. */
describe('a cordon on the real API server', () => {
  let plane: ControlPlane;
  let port: KubernetesPort;

  beforeAll(async () => {
    plane = await ControlPlane.launch();
    port = await agentPort(plane.clients, 'agent');
    // As a kubelet does, with a field of its own: of an object that begins without any, no writer is ever recorded.
    await port.create(nodes, undefined, { metadata: { name: 'node-1', labels: { 'kubernetes.io/os': 'linux' } } });
  });
  afterAll(async () => {
    await plane.destroy();
  });

  const cordon = async (unschedulable: true | null): Promise<void> => {
    await port.patch(nodes, { name: 'node-1' }, { type: 'merge', body: { spec: { unschedulable } } });
  };
  const bySomebody = async (): Promise<boolean> =>
    viewOfNode(await port.get(nodes, { name: 'node-1' })).cordonedBySomebody;

  it('is the agent’s where the agent put it, also when kubectl finds it there', async () => {
    await cordon(true);
    expect(await bySomebody()).toBe(false);
    await kubectl(plane.clients, 'cordon', 'node-1');
    expect(await bySomebody()).toBe(false);
  });

  it('is somebody’s where kubectl took the agent’s away and put another there', async () => {
    await kubectl(plane.clients, 'uncordon', 'node-1');
    await kubectl(plane.clients, 'cordon', 'node-1');
    expect(await bySomebody()).toBe(true);
  });

  it('is the agent’s again after the agent has taken that one away and put its own there', async () => {
    await cordon(null);
    expect(await bySomebody()).toBe(false);
    await cordon(true);
    expect(await bySomebody()).toBe(false);
  });
});
