import { systemClock } from '../../agent/clock.ts';
import { KubernetesClient } from '../../agent/cluster/client.ts';
import type { KubernetesPort } from '../../agent/cluster/port.ts';
import { EmulatedApiServer } from '../emulators/kubernetes/apiserver.ts';
import { directPort } from '../emulators/kubernetes/directport.ts';
import { KubernetesServer } from '../emulators/kubernetes/server.ts';
import { InMemoryTransport } from '../emulators/kubernetes/transport.ts';
import { agentPort } from '../harness/agentport.ts';
import { describeKubernetesContract } from './kubernetes.contract.ts';

const limited = 'nodes-reader';
const readsNodes = [{ groups: [''], resources: ['nodes'], verbs: ['get', 'list'] }];

describeKubernetesContract('the emulated API server behind TLS', async () => {
  const server = await KubernetesServer.launch();
  const { clients, emulated } = server;
  emulated.access.grant(limited, readsNodes);
  return {
    port: await agentPort(clients, 'agent'),
    limited: await agentPort(clients, limited, clients.user({ commonName: limited })),
    forgetHistory: async () => {
      // As a restart of the real one: connections end, and what was is too old.
      emulated.forgetHistory();
      server.cutConnections();
    },
    dispose: () => server.destroy(),
  };
});

describeKubernetesContract('the emulated API server in memory', async () => {
  const server = new EmulatedApiServer();
  server.access.grant('admin');
  server.access.grant(limited, readsNodes);
  const clock = systemClock;
  const portOf = (user: string): KubernetesPort =>
    new KubernetesClient({
      transport: new InMemoryTransport({ server, user, clock }),
      clock,
      random: Math.random,
      userAgent: 'nodetender/test',
    });
  return {
    port: portOf('admin'),
    limited: portOf(limited),
    forgetHistory: async () => {
      server.forgetHistory();
      server.disturbWatches('cut');
    },
    dispose: async () => undefined,
  };
});

describeKubernetesContract('the emulated API server without a transport', async () => {
  const server = new EmulatedApiServer();
  server.access.grant('admin');
  server.access.grant(limited, readsNodes);
  return {
    port: directPort({ server, user: 'admin', clock: systemClock }),
    limited: directPort({ server, user: limited, clock: systemClock }),
    forgetHistory: async () => {
      server.forgetHistory();
      server.disturbWatches('cut');
    },
    dispose: async () => undefined,
  };
});
