import { describeApiServerContract } from '../contract/apiserver.contract.ts';
import { ControlPlane } from '../harness/kubernetes.ts';

describeApiServerContract('kube-apiserver', async () => {
  const plane = await ControlPlane.launch();
  const { clients } = plane;
  return {
    api: clients.api,
    stranger: clients.apiOf({ token: 'nobody-issued-this' }),
    nobody: clients.apiOf(clients.user({ commonName: 'nobody' })),
    forgetHistory: () => plane.forgetHistory(),
    dispose: () => plane.destroy(),
  };
});
