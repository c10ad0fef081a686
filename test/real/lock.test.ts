import { describeLockContract } from '../contract/lock.contract.ts';
import { agentPort } from '../harness/agentport.ts';
import { ControlPlane } from '../harness/kubernetes.ts';

describeLockContract('kube-apiserver', async () => {
  const plane = await ControlPlane.launch({ controllerManager: true });
  return { port: await agentPort(plane.clients, 'agent'), dispose: () => plane.destroy() };
});
