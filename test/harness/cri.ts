import { Service } from './grpc.ts';

/** What a test asks of a pod sandbox. */
export interface SandboxConfig {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly cgroupParent: string;
  /** A folder that exists, for the containers' logs. */
  readonly logDirectory?: string;
}

/** What a test asks of a container. */
export interface ContainerConfig {
  readonly name: string;
  /** As the kubelet passes it: usually an image ID. */
  readonly image: string;
  readonly userSpecifiedImage?: string;
  /** In place of the image's entry point. */
  readonly command?: readonly string[];
  /** In place of the image's arguments. */
  readonly args?: readonly string[];
  /** Paths of the host, by where the container sees them. */
  readonly hostPaths?: Readonly<Record<string, string>>;
  /** Its file in the sandbox's log directory. */
  readonly logFile?: string;
  /** As the chart has it: no capability, no new privileges, a root file system that cannot be written. */
  readonly confined?: boolean;
  /** References of images to mount as volumes (containerd 2.1 and later). */
  readonly imageVolumes?: readonly string[];
}

export interface CriImage {
  readonly id: string;
  readonly repo_tags: readonly string[];
  readonly repo_digests: readonly string[];
}

/** The writing side of CRI, as a kubelet uses it. Independent of the agent's own client, so that one checks the other. */
export class Cri {
  readonly #runtime: Service;
  readonly #images: Service;

  constructor(endpoint: string) {
    this.#runtime = new Service(endpoint, 'pods.proto', 'runtime.v1.RuntimeService');
    this.#images = new Service(endpoint, 'pods.proto', 'runtime.v1.ImageService');
  }

  /** Rejects soon when the server is not ready. */
  async version(): Promise<string> {
    const { runtime_version } = await this.#runtime.call<{ runtime_version: string }>('Version', {}, {}, 1_000);
    return runtime_version;
  }

  async listImages(): Promise<readonly CriImage[]> {
    return (await this.#images.call<{ images: CriImage[] }>('ListImages', {})).images;
  }

  async removeImage(id: string): Promise<void> {
    await this.#images.call('RemoveImage', { image: { image: id } });
  }

  async runSandbox(config: SandboxConfig): Promise<string> {
    const request = { config: sandboxMessage(config) };
    return (await this.#runtime.call<{ pod_sandbox_id: string }>('RunPodSandbox', request)).pod_sandbox_id;
  }

  async stopSandbox(id: string): Promise<void> {
    await this.#runtime.call('StopPodSandbox', { pod_sandbox_id: id });
  }

  async removeSandbox(id: string): Promise<void> {
    await this.#runtime.call('RemovePodSandbox', { pod_sandbox_id: id });
  }

  async createContainer(sandboxId: string, sandbox: SandboxConfig, container: ContainerConfig): Promise<string> {
    const request = {
      pod_sandbox_id: sandboxId,
      sandbox_config: sandboxMessage(sandbox),
      config: {
        metadata: { name: container.name },
        image: { image: container.image, user_specified_image: container.userSpecifiedImage ?? '' },
        command: container.command ?? [],
        args: container.args ?? [],
        log_path: container.logFile ?? '',
        mounts: [
          ...(container.imageVolumes ?? []).map((image, index) => ({
            container_path: `/volume-${index}`,
            readonly: true,
            image: { image },
          })),
          ...Object.entries(container.hostPaths ?? {}).map(([inside, host]) => ({
            container_path: inside,
            host_path: host,
          })),
        ],
        labels: { ...podLabels(sandbox), 'io.kubernetes.container.name': container.name },
        linux: {
          security_context: {
            namespace_options: hostNamespaces,
            ...(container.confined === true ? confinement : {}),
          },
        },
      },
    };
    return (await this.#runtime.call<{ container_id: string }>('CreateContainer', request)).container_id;
  }

  async startContainer(id: string): Promise<void> {
    await this.#runtime.call('StartContainer', { container_id: id });
  }

  async stopContainer(id: string, timeoutSeconds: number): Promise<void> {
    await this.#runtime.call('StopContainer', { container_id: id, timeout: timeoutSeconds });
  }

  async removeContainer(id: string): Promise<void> {
    await this.#runtime.call('RemoveContainer', { container_id: id });
  }

  /** For example `CONTAINER_EXITED`. */
  async containerState(id: string): Promise<string> {
    const request = { container_id: id };
    return (await this.#runtime.call<{ status: { state: string } }>('ContainerStatus', request)).status.state;
  }

  async exitCode(id: string): Promise<number> {
    const request = { container_id: id };
    return (await this.#runtime.call<{ status: { exit_code: number } }>('ContainerStatus', request)).status.exit_code;
  }

  close(): void {
    this.#runtime.close();
    this.#images.close();
  }
}

/** The host's network: a pod network would need CNI plug-ins and changes to the host. */
const hostNamespaces = { network: 'NODE', pid: 'CONTAINER', ipc: 'POD' };

const confinement = { capabilities: { drop_capabilities: ['ALL'] }, readonly_rootfs: true, no_new_privs: true };

function sandboxMessage(config: SandboxConfig): object {
  return {
    metadata: { name: config.name, uid: config.uid, namespace: config.namespace },
    log_directory: config.logDirectory ?? '',
    labels: podLabels(config),
    linux: { cgroup_parent: config.cgroupParent, security_context: { namespace_options: hostNamespaces } },
  };
}

/** The labels by which the kubelet, and all who read after it, find the pod of a sandbox or container. */
function podLabels(config: SandboxConfig): Record<string, string> {
  return {
    'io.kubernetes.pod.namespace': config.namespace,
    'io.kubernetes.pod.name': config.name,
    'io.kubernetes.pod.uid': config.uid,
  };
}
