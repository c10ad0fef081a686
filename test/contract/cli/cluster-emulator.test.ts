import { KubernetesServer } from '../../emulators/kubernetes/server.ts';
import { type ClusterUnderTest, describeClusterCommands } from './cluster.contract.ts';

describeClusterCommands('the emulated API server', start);

async function start(): Promise<ClusterUnderTest> {
  const server = await KubernetesServer.launch();
  const { clients, emulated } = server;
  return {
    clients,
    limit: async (user) => {
      emulated.access.grant(user, [{ groups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch'] }]);
      await Promise.resolve();
    },
    dispose: () => server.destroy(),
  };
}
