import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { systemClock } from '../../agent/clock.ts';
import { connectKubernetes } from '../../agent/cluster/connect.ts';
import type { KubernetesPort } from '../../agent/cluster/port.ts';
import { describeKubernetesContract, type KubernetesUnderTest } from '../contract/kubernetes.contract.ts';
import { ControlPlane } from '../harness/kubernetes.ts';

describeKubernetesContract('kube-apiserver', start);

async function start(): Promise<KubernetesUnderTest> {
  const plane = await ControlPlane.launch();
  const connect = async (name: string, text: string): Promise<KubernetesPort> => {
    const path = join(plane.folder, `${name}.kubeconfig`);
    await writeFile(path, text, { mode: 0o600 });
    const options = { path, userAgent: 'nodetender/test', clock: systemClock, random: Math.random };
    return (await connectKubernetes(options)).port;
  };
  const limited = 'nodes-reader';
  const rules = [{ apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list'] }];
  await plane.api.create('/apis/rbac.authorization.k8s.io/v1/clusterroles', { metadata: { name: limited }, rules });
  await plane.api.create('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    metadata: { name: limited },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: limited },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: limited }],
  });
  return {
    port: await connect('agent', plane.kubeconfig()),
    limited: await connect(limited, plane.kubeconfig(plane.user({ commonName: limited }))),
    forgetHistory: () => plane.forgetHistory(),
    dispose: () => plane.destroy(),
  };
}
