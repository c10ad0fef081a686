import { systemClock } from '../../agent/clock.ts';
import { KubernetesClient } from '../../agent/cluster/client.ts';
import { EmulatedApiServer } from '../emulators/kubernetes/apiserver.ts';
import { InMemoryTransport } from '../emulators/kubernetes/transport.ts';
import { describeLockContract } from './lock.contract.ts';

describeLockContract('the emulated API server', async () => {
  const server = new EmulatedApiServer({ controllers: true });
  server.access.grant('agent');
  const clock = systemClock;
  const transport = new InMemoryTransport({ server, user: 'agent', clock });
  const port = new KubernetesClient({ transport, clock, random: Math.random, userAgent: 'nodetender/test' });
  return { port, dispose: async () => undefined };
});
