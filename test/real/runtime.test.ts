import { connectRuntime } from '../../agent/runtime/cri.ts';
import { describeRuntimeContract, type RuntimeUnderTest } from '../contract/runtime.contract.ts';
import { type Generation, generations } from '../harness/components.ts';
import { Containerd } from '../harness/containerd.ts';
import { pauseImage } from '../harness/containerdconfig.ts';
import { ImageBatch } from '../harness/images.ts';
import { addContainer, runPod } from '../harness/pods.ts';

for (const generation of generations) describeRuntimeContract(`containerd ${generation}`, () => start(generation));

async function start(generation: Generation): Promise<RuntimeUnderTest> {
  const containerd = await Containerd.launch(generation, { storage: 'memory' });
  return {
    port: connectRuntime({ endpoint: containerd.endpoint }),
    refusesInUse: false,
    configuredSandboxImage: generation === '1.6' ? pauseImage : undefined,
    importImages: async (images) => {
      const batch = new ImageBatch(containerd);
      for (const { content, tags } of images) batch.add({ content, names: tags });
      await batch.import();
    },
    createContainer: async ({ pod: { name, namespace }, ...container }) => {
      const pod = await runPod(containerd, name, namespace);
      return { sandboxId: pod.sandboxId, containerId: await addContainer(containerd, pod, container) };
    },
    removeContainer: async ({ sandboxId }) => {
      await containerd.cri.stopSandbox(sandboxId);
      await containerd.cri.removeSandbox(sandboxId);
    },
    restart: async () => {
      await containerd.stop();
      await containerd.start();
    },
    dispose: () => containerd.destroy(),
  };
}
