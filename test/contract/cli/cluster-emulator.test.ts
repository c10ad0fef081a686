import { KubernetesServer } from '../../emulators/kubernetes/server.ts';
import { eventually } from '../../harness/eventually.ts';
import { describeClusterCommands } from './cluster.contract.ts';
import type { ClusterUnderTest } from './cluster/setting.ts';

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
    restart: async () => {
      await server.stop();
      await server.start();
      // The test's own connections were cut, too.
      await eventually('it answers', async () => (await clients.api.send('GET', '/readyz')).status === 200);
    },
    dispose: () => server.destroy(),
  };
}
