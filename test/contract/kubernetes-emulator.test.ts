import { KubernetesServer } from '../emulators/kubernetes/server.ts';
import { agentPort } from '../harness/agentport.ts';
import { describeKubernetesContract, type KubernetesUnderTest } from './kubernetes.contract.ts';

describeKubernetesContract('the emulated API server', start);

async function start(): Promise<KubernetesUnderTest> {
  const server = await KubernetesServer.launch();
  const { clients, emulated } = server;
  const limited = 'nodes-reader';
  emulated.access.grant(limited, [{ groups: [''], resources: ['nodes'], verbs: ['get', 'list'] }]);
  return {
    port: await agentPort(clients, 'agent'),
    limited: await agentPort(clients, limited, clients.user({ commonName: limited })),
    forgetHistory: async () => {
      // As a restart of the real one: connections end, and what was is too old.
      emulated.forgetHistory();
      server.cutConnections();
      await Promise.resolve();
    },
    dispose: () => server.destroy(),
  };
}
