import { KubernetesServer } from '../emulators/kubernetes/server.ts';
import { describeApiServerContract } from './apiserver.contract.ts';

describeApiServerContract('the emulator', async () => {
  const server = await KubernetesServer.launch();
  const { clients, emulated } = server;
  return {
    api: clients.api,
    stranger: clients.apiOf({ token: 'nobody-issued-this' }),
    nobody: clients.apiOf(clients.user({ commonName: 'nobody' })),
    forgetHistory: async () => emulated.forgetHistory(),
    dispose: () => server.destroy(),
  };
});
