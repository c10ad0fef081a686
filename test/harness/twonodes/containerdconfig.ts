import type { Generation } from '../components.ts';
import { pauseImage } from '../containerdconfig.ts';

export interface NodeContainerd {
  /** Folder of CNI's plugins. */
  readonly cni: string;
  /** The OCI specification that containers are made from. */
  readonly baseSpec: string;
}

/**
 * A configuration that keeps everything where distributions do. Without CAP_SYS_RESOURCE, as in most sandboxes, a
 * container's oom_score_adj cannot be lowered: `restrict_oom_score_adj` makes that no error.
 */
export function containerdConfiguration(generation: Generation, { cni, baseSpec }: NodeContainerd): string {
  return generation === '1.6' ? version2(cni, baseSpec) : version3(cni, baseSpec);
}

function version2(cni: string, baseSpec: string): string {
  return `
version = 2
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${cni}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    base_runtime_spec = "${baseSpec}"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
`;
}

function version3(cni: string, baseSpec: string): string {
  return `
version = 3
disabled_plugins = ['io.containerd.snapshotter.v1.blockfile', 'io.containerd.snapshotter.v1.erofs']
[plugins.'io.containerd.internal.v1.opt']
  path = '/run/containerd/opt'
[plugins.'io.containerd.nri.v1.nri']
  disable = true
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '${pauseImage}'
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  cdi_spec_dirs = []
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ['${cni}']
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = 'io.containerd.runc.v2'
    base_runtime_spec = '${baseSpec}'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      SystemdCgroup = false
`;
}
