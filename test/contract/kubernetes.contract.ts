import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { nodes } from '../../agent/cluster/objects.ts';
import { describeEvictions } from './kubernetes/evictions.ts';
import { describeFollowing } from './kubernetes/following.ts';
import { describeObjects } from './kubernetes/objects.ts';
import { KubernetesSetting, type KubernetesUnderTest } from './kubernetes/setting.ts';

/** What every KubernetesPort must do, whatever stands behind it. */
export function describeKubernetesContract(name: string, start: () => Promise<KubernetesUnderTest>): void {
  describe(`a Kubernetes port on ${name}`, () => {
    const setting = new KubernetesSetting();

    beforeAll(async () => {
      setting.open(await start());
    });
    afterAll(async () => {
      setting.cluster.limited.close();
      setting.port.close();
      await setting.cluster.dispose();
    });

    describeObjects(setting);
    describeFollowing(setting);
    describeEvictions(setting);

    it('refuses calls once closed', async () => {
      const { limited } = setting.cluster;
      limited.close();
      await expect(limited.list(nodes, {}, () => 0)).rejects.toMatchObject({ code: 'cluster/cancelled' });
    });
  });
}
