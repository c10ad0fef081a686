/** As containerd's own default. */
const capabilities =
  'CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE'
    .split(' ')
    .map((name) => `CAP_${name}`);

const masked = ['acpi', 'asound', 'kcore', 'keys', 'latency_stats', 'timer_list', 'timer_stats', 'sched_debug', 'scsi'];

const plain = ['nosuid', 'noexec', 'nodev'];

const mounts = [
  mount('/proc', 'proc', 'proc', plain),
  mount('/dev', 'tmpfs', 'tmpfs', ['nosuid', 'strictatime', 'mode=755', 'size=65536k']),
  mount('/dev/pts', 'devpts', 'devpts', ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5']),
  mount('/dev/shm', 'tmpfs', 'shm', [...plain, 'mode=1777', 'size=65536k']),
  mount('/dev/mqueue', 'mqueue', 'mqueue', plain),
  mount('/sys', 'sysfs', 'sysfs', [...plain, 'ro']),
  mount('/run', 'tmpfs', 'tmpfs', ['nosuid', 'strictatime', 'mode=755', 'size=65536k']),
];

function mount(destination: string, type: string, source: string, options: readonly string[]): object {
  return { destination, type, source, options };
}

/**
 * What containerd makes containers from, by default but for one thing: a hook that runs when a container is made.
 * https://github.com/opencontainers/runtime-spec/blob/main/config.md
 */
export function containerSpec(hook: string): string {
  return JSON.stringify({
    ociVersion: '1.0.2-dev',
    process: {
      user: { uid: 0, gid: 0 },
      cwd: '/',
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      noNewPrivileges: true,
    },
    root: { path: 'rootfs' },
    mounts,
    linux: {
      resources: { devices: [{ allow: false, access: 'rwm' }] },
      cgroupsPath: '/default',
      namespaces: ['pid', 'ipc', 'uts', 'mount', 'network'].map((type) => ({ type })),
      maskedPaths: [...masked.map((name) => `/proc/${name}`), '/sys/firmware'],
      readonlyPaths: ['bus', 'fs', 'irq', 'sys', 'sysrq-trigger'].map((name) => `/proc/${name}`),
    },
    hooks: { createContainer: [{ path: hook }] },
  });
}

/** What the kernel tells of a boot, and where. */
export const bootFiles = {
  boot_id: '/proc/sys/kernel/random/boot_id',
  uptime: '/proc/uptime',
  stat: '/proc/stat',
} as const;

/**
 * The hook: a container has a /proc of its own, which tells of the machine's boot, not of the node's. Runs in the mount namespace of
 * the container before its root is its root, with the state of the container, and with it its folder, on standard input.
 */
export function bootHook(folder: string): string {
  const binds = Object.entries(bootFiles).map(
    ([name, path]) => `mount --bind ${folder}/${name} "$bundle/rootfs${path}"`,
  );
  return `#!/bin/sh
bundle=$(sed -n 's/.*"bundle": *"\\([^"]*\\)".*/\\1/p')
${binds.join('\n')}
`;
}
