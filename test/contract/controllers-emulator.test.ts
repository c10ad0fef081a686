import { KubernetesServer } from '../emulators/kubernetes/server.ts';
import { describeControllersContract } from './controllers.contract.ts';

describeControllersContract('the emulator', async () => {
  const server = await KubernetesServer.launch({ controllers: true });
  return { api: server.clients.api, dispose: () => server.destroy() };
});
