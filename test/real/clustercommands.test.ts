import type { ClusterUnderTest } from '../contract/cli/cluster/setting.ts';
import { describeClusterCommands } from '../contract/cli/cluster.contract.ts';
import { mainScript } from '../harness/command.ts';
import { ControlPlane } from '../harness/kubernetes.ts';

describeClusterCommands('kube-apiserver', start);

async function start(): Promise<ClusterUnderTest> {
  const plane = await ControlPlane.launch();
  const { clients } = plane;
  return {
    clients,
    program: [process.execPath, mainScript],
    limit: async (user) => {
      const rbac = '/apis/rbac.authorization.k8s.io/v1';
      const rules = [{ apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch'] }];
      await clients.api.create(`${rbac}/clusterroles`, { metadata: { name: user }, rules });
      await clients.api.create(`${rbac}/clusterrolebindings`, {
        metadata: { name: user },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: user },
        subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
      });
    },
    restart: () => plane.apiServer.restart(),
    dispose: () => plane.destroy(),
  };
}
