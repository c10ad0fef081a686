import { existsSync, globSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The two generations of containerd that nodes run: Debian's 1.6, and 2.x built from its module. */
export const generations = ['1.6', '2.x'] as const;
export type Generation = (typeof generations)[number];

export interface Components {
  /** Folders to search for programs, joined as PATH is: containerd, its shim, ctr and runc. */
  readonly path: string;
  /** A busybox without libraries: all that the test images contain. */
  readonly busybox: string;
}

const real = fileURLToPath(new URL('../../.cache/real', import.meta.url));

/** Where scripts/setup-real has put the programs of a generation. */
export function componentsOf(generation: Generation): Components {
  const debian = [`${real}/debian/usr/bin`, `${real}/debian/usr/sbin`];
  const folders = generation === '1.6' ? debian : [`${real}/containerd2/bin`, `${real}/debian/usr/sbin`];
  for (const folder of folders) {
    if (!existsSync(folder)) throw new Error(`${folder} is missing: run scripts/setup-real first`);
  }
  return {
    path: [...folders, '/usr/sbin', '/usr/bin', '/sbin', '/bin'].join(':'),
    busybox: `${real}/debian/bin/busybox`,
  };
}

export interface KubernetesComponents {
  readonly etcd: string;
  readonly apiServer: string;
  readonly controllerManager: string;
  readonly scheduler: string;
  readonly kubelet: string;
  readonly kubectl: string;
}

/** Kubernetes' own programs, as paths. */
export function kubernetesComponents(): KubernetesComponents {
  const programs = {
    etcd: `${real}/etcd/usr/bin/etcd`,
    apiServer: `${real}/kubernetes/bin/kube-apiserver`,
    controllerManager: `${real}/kubernetes/bin/kube-controller-manager`,
    scheduler: `${real}/kubernetes/bin/kube-scheduler`,
    kubelet: `${real}/kubernetes/bin/kubelet`,
    kubectl: `${real}/kubernetes/bin/kubectl`,
  };
  for (const program of Object.values(programs)) {
    if (!existsSync(program)) throw new Error(`${program} is missing: run scripts/setup-real first`);
  }
  return programs;
}

export interface HostComponents {
  readonly dbusDaemon: string;
  readonly logind: string;
  readonly inhibit: string;
  /** Folders of the libraries that these need and this machine may not have, joined as LD_LIBRARY_PATH is. */
  readonly libraryPath: string;
}

/** What a node has to be rebooted by: the message bus and systemd-logind, as paths. */
export function hostComponents(): HostComponents {
  const folder = `${real}/host`;
  const programs = {
    dbusDaemon: `${folder}/usr/bin/dbus-daemon`,
    logind: `${folder}/lib/systemd/systemd-logind`,
    inhibit: `${folder}/bin/systemd-inhibit`,
  };
  for (const program of Object.values(programs)) {
    if (!existsSync(program)) throw new Error(`${program} is missing: run scripts/setup-real first`);
  }
  const libraries = globSync(`${folder}/{lib,usr/lib}/*-linux-gnu{,/systemd}`);
  return { ...programs, libraryPath: libraries.join(':') };
}

export interface NetworkComponents {
  /** Folder of CNI's plugins. */
  readonly cni: string;
  readonly ip: string;
  /** Folders of the libraries that `ip` needs and this machine may not have, joined as LD_LIBRARY_PATH is. */
  readonly libraryPath: string;
}

/** What nodes and pods are connected by, as paths. */
export function networkComponents(): NetworkComponents {
  const folder = `${real}/network`;
  const programs = { cni: `${folder}/usr/lib/cni`, ip: `${folder}/bin/ip` };
  for (const program of Object.values(programs)) {
    if (!existsSync(program)) throw new Error(`${program} is missing: run scripts/setup-real first`);
  }
  return { ...programs, libraryPath: globSync(`${folder}/{lib,usr/lib}/*-linux-gnu`).join(':') };
}

/** Helm of a generation, as a path. */
export function helmComponents(version: 3 | 4): string {
  const program = version === 3 ? `${real}/helm3/bin/helm` : `${real}/helm4/helm/helm`;
  if (!existsSync(program)) throw new Error(`${program} is missing: run scripts/setup-real first`);
  return program;
}

/** A registry of images and charts, as a path. */
export function registryComponents(): string {
  const program = `${real}/registry/usr/bin/docker-registry`;
  if (!existsSync(program)) throw new Error(`${program} is missing: run scripts/setup-real first`);
  return program;
}

export interface PrometheusComponents {
  readonly prometheus: string;
  readonly promtool: string;
}

/** Prometheus and its tool, as paths. */
export function prometheusComponents(): PrometheusComponents {
  const folder = `${real}/prometheus/usr/bin`;
  const programs = { prometheus: `${folder}/prometheus`, promtool: `${folder}/promtool` };
  for (const program of Object.values(programs)) {
    if (!existsSync(program)) throw new Error(`${program} is missing: run scripts/setup-real first`);
  }
  return programs;
}

export interface MachineComponents {
  readonly qemu: string;
  /** Folders of its firmware. */
  readonly firmware: readonly string[];
  readonly socat: string;
  /** Folders of the libraries that these need and this machine may not have, joined as LD_LIBRARY_PATH is. */
  readonly libraryPath: string;
  /** A whole Debian, as a folder. */
  readonly guestRoot: string;
  readonly kubelet: string;
}

/** What a virtual machine is made of, as paths. */
export function machineComponents(): MachineComponents {
  const folder = `${real}/machine`;
  const programs = {
    qemu: `${folder}/usr/bin/qemu-system-x86_64`,
    socat: `${folder}/usr/bin/socat`,
    guestRoot: `${real}/guest/root`,
    kubelet: `${real}/kubernetes/bin/kubelet`,
  };
  for (const program of Object.values(programs)) {
    if (!existsSync(program)) throw new Error(`${program} is missing: run scripts/setup-real first`);
  }
  return {
    ...programs,
    firmware: [`${folder}/usr/share/qemu`, `${folder}/usr/share/seabios`],
    libraryPath: globSync(`${folder}/{lib,usr/lib}/*-linux-gnu`).join(':'),
  };
}
