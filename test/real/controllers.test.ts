import { describeControllersContract } from '../contract/controllers.contract.ts';
import { ControlPlane } from '../harness/kubernetes.ts';

describeControllersContract('kube-apiserver', async () => {
  const plane = await ControlPlane.launch({ controllerManager: true });
  return { api: plane.api, dispose: () => plane.destroy() };
});
