import { randomUUID } from 'node:crypto';

import type { Containerd } from './containerd.ts';
import type { ContainerConfig, SandboxConfig } from './cri.ts';
import { eventually } from './eventually.ts';

/** Runs until it is asked to end: PID 1 of a container gets no signal that it does not trap. */
export const runsUntilStopped = [
  '/bin/busybox',
  'sh',
  '-c',
  'trap "exit 0" TERM INT; while :; do sleep 86400 & wait $!; done',
];
const endsAtOnce = ['/bin/busybox', 'true'];

export interface Pod {
  readonly sandboxId: string;
  readonly config: SandboxConfig;
}

export interface ContainerOptions {
  readonly name?: string;
  readonly state: 'created' | 'running' | 'exited';
  /** What the creator says: an ID, a tag or a digest. */
  readonly image: string;
  readonly userSpecifiedImage?: string;
  readonly imageVolumes?: readonly string[];
}

export async function runPod(containerd: Containerd, name: string, namespace = 'default'): Promise<Pod> {
  const config = { namespace, name, uid: randomUUID(), cgroupParent: containerd.cgroupParent };
  return { sandboxId: await containerd.cri.runSandbox(config), config };
}

/** Makes a container and brings it to the state asked for. Gives its ID. */
export async function addContainer(containerd: Containerd, pod: Pod, options: ContainerOptions): Promise<string> {
  const container: ContainerConfig = {
    name: options.name ?? 'main',
    image: options.image,
    command: options.state === 'exited' ? endsAtOnce : runsUntilStopped,
    ...(options.userSpecifiedImage === undefined ? {} : { userSpecifiedImage: options.userSpecifiedImage }),
    ...(options.imageVolumes === undefined ? {} : { imageVolumes: options.imageVolumes }),
  };
  const id = await containerd.cri.createContainer(pod.sandboxId, pod.config, container);
  if (options.state !== 'created') await containerd.cri.startContainer(id);
  if (options.state === 'exited') {
    await eventually(
      'the container exits',
      async () => (await containerd.cri.containerState(id)) === 'CONTAINER_EXITED',
    );
  }
  return id;
}

/** A pod with one container, as most are. */
export async function runPodWith(
  containerd: Containerd,
  name: string,
  options: ContainerOptions,
): Promise<Pod & { readonly containerId: string }> {
  const pod = await runPod(containerd, name);
  return { ...pod, containerId: await addContainer(containerd, pod, options) };
}

/** Removes a pod and its containers, whatever their state. */
export async function removePod(containerd: Containerd, pod: Pod): Promise<void> {
  await containerd.cri.stopSandbox(pod.sandboxId);
  await containerd.cri.removeSandbox(pod.sandboxId);
}
