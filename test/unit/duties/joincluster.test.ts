import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultConfig } from '../../../agent/config/load.ts';
import { type Joined, joinCluster, type JoinOptions } from '../../../agent/duties/joincluster.ts';
import { VirtualClock } from '../../emulators/clock.ts';
import { kubeconfigText } from '../../harness/kubeconfig.ts';

let folder: string;
let kubeconfig: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nodetender-'));
  kubeconfig = join(folder, 'config');
  const user = { token: 'secret' };
  await writeFile(kubeconfig, kubeconfigText({ server: 'https://127.0.0.1:6443', user, namespace: 'agents' }));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function joined(
  cluster: Partial<JoinOptions['cluster']>,
  options: Partial<JoinOptions> = {},
): Promise<Joined | undefined> {
  const found = await joinCluster({
    cluster: { ...defaultConfig.cluster, ...cluster },
    kubeconfig: undefined,
    env: {},
    userAgent: 'nodetender/test',
    clock: new VirtualClock(),
    random: () => 0.5,
    ...options,
  });
  found?.port.close();
  return found;
}

const pod = { env: { KUBERNETES_SERVICE_HOST: '10.96.0.1' } };

describe('an agent', () => {
  it('is in no cluster outside of a pod and without a kubeconfig, or where that is turned off', async () => {
    expect(await joined({})).toBeUndefined();
    expect(await joined({ enabled: false, nodeName: 'node-1' }, { ...pod, kubeconfig })).toBeUndefined();
  });

  it('is in the cluster of its kubeconfig, in the namespace of the context unless another is configured', async () => {
    const expected = { nodeName: 'node-1', namespace: 'agents', server: 'https://127.0.0.1:6443/' };
    expect(await joined({ nodeName: 'node-1' }, { kubeconfig })).toMatchObject(expected);
    expect(await joined({ nodeName: 'node-1', enabled: true }, { kubeconfig })).toMatchObject(expected);
    expect(await joined({ nodeName: 'node-1', namespace: 'other' }, { kubeconfig })).toMatchObject({
      namespace: 'other',
    });
  });

  it('does not begin in a cluster without knowing its Node: it would clean as if nobody needed anything', async () => {
    await expect(joined({}, pod)).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('--node-name') as string,
    });
    await expect(joined({}, { kubeconfig })).rejects.toMatchObject({ code: 'usage' });
  });

  it('does not begin in a cluster that it has no way to', async () => {
    const missing = join(folder, 'missing');
    await expect(joined({ nodeName: 'node-1' }, { kubeconfig: missing })).rejects.toMatchObject({
      code: 'cluster/no-access',
    });
  });
});
