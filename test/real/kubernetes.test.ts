import { describeKubernetesContract } from '../contract/kubernetes.contract.ts';
import type { KubernetesUnderTest } from '../contract/kubernetes/setting.ts';
import { agentPort } from '../harness/agentport.ts';
import { ControlPlane } from '../harness/kubernetes.ts';

describeKubernetesContract('kube-apiserver', start);

async function start(): Promise<KubernetesUnderTest> {
  const plane = await ControlPlane.launch();
  const { clients } = plane;
  const limited = 'nodes-reader';
  const rules = [{ apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list'] }];
  await clients.api.create('/apis/rbac.authorization.k8s.io/v1/clusterroles', { metadata: { name: limited }, rules });
  await clients.api.create('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    metadata: { name: limited },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: limited },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: limited }],
  });
  return {
    port: await agentPort(clients, 'agent'),
    limited: await agentPort(clients, limited, clients.user({ commonName: limited })),
    forgetHistory: () => plane.forgetHistory(),
    dispose: () => plane.destroy(),
  };
}
