import { pauseImage } from '../containerdconfig.ts';

export const nodeName = 'machine';
/** Addresses of QEMU's own network, which holds the cluster's service address: the guest reaches that and nothing else. */
export const network = { cidr: '10.96.0.0/24', guest: '10.96.0.15', gateway: '10.96.0.2', api: '10.96.0.1' };
/** The guest's port that runs what it is sent, for the tests' own hands. */
export const shellPort = 18251;

const kubelet = {
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  authentication: {
    anonymous: { enabled: false },
    webhook: { enabled: true },
    x509: { clientCAFile: '/etc/kubernetes/ca.crt' },
  },
  authorization: { mode: 'Webhook' },
  cgroupDriver: 'systemd',
  containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
  resolvConf: '',
  failSwapOn: false,
  evictionHard: { 'memory.available': '50Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
  imageGCHighThresholdPercent: 100,
  imageGCLowThresholdPercent: 99,
};

const containerd = `
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = true
`;

const podNetwork = {
  cniVersion: '0.4.0',
  name: 'pods',
  plugins: [
    {
      type: 'bridge',
      bridge: 'cni0',
      isGateway: true,
      ipMasq: true,
      ipam: { type: 'host-local', subnet: '10.244.1.0/24', routes: [{ dst: '0.0.0.0/0' }] },
    },
  ],
};

/**
 * What one run gives the machine, such as its certificate, comes on a second disk. What CNI remembers of pods is of one boot:
 * a power cut leaves its files empty, with which containerd never ends a pod (https://github.com/containerd/containerd/issues/8197).
 */
const settingsUnit = `
[Unit]
DefaultDependencies=no
After=local-fs.target systemd-modules-load.service
Before=network.target containerd.service kubelet.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'until [ -b /dev/vdb ] && [ -e /sys/class/net/eth0 ]; do sleep 0.1; done'
ExecStart=/bin/rm --recursive --force /var/lib/cni
ExecStart=/bin/tar --extract --file /dev/vdb --directory /
ExecStart=/bin/sh -c 'ip link set lo up; ip addr add ${network.guest}/24 dev eth0; ip link set eth0 up; ip route add default via ${network.gateway}; echo 1 >/proc/sys/net/ipv4/ip_forward'
TimeoutStartSec=60
`;

const kubeletUnit = `
[Unit]
After=containerd.service settings.service
Requires=settings.service
Wants=containerd.service
[Service]
ExecStart=/usr/local/bin/kubelet --config /etc/kubernetes/kubelet.json --kubeconfig /etc/kubernetes/kubelet.kubeconfig --hostname-override ${nodeName} --node-ip ${network.guest}
Restart=always
RestartSec=2
`;

const shellSocket = `
[Socket]
ListenStream=${shellPort}
Accept=yes
`;

const shellUnit = `
[Service]
ExecStart=/bin/bash -s
StandardInput=socket
StandardOutput=socket
StandardError=socket
`;

const units = '/etc/systemd/system';

/** Files that make a Debian a node, by path. */
export const guestFiles: Readonly<Record<string, string>> = {
  '/etc/hostname': `${nodeName}\n`,
  '/etc/hosts': `127.0.0.1 localhost ${nodeName}\n`,
  '/etc/machine-id': '0123456789abcdef0123456789abcdef\n',
  // The root is mounted already, and waiting for what udev says of its disk takes 20 s.
  '/etc/fstab': '',
  '/etc/modules-load.d/node.conf': 'virtio_net\noverlay\nbr_netfilter\n',
  '/etc/containerd/config.toml': containerd,
  '/etc/cni/net.d/10-pods.conflist': JSON.stringify(podNetwork),
  '/etc/kubernetes/kubelet.json': JSON.stringify(kubelet),
  // An emulated processor shuts down slowly enough; a process that ignores SIGTERM would hold it for 90 s.
  '/etc/systemd/system.conf.d/stop.conf': '[Manager]\nDefaultTimeoutStopSec=5s\n',
  [`${units}/settings.service`]: settingsUnit,
  [`${units}/kubelet.service`]: kubeletUnit,
  [`${units}/shell.socket`]: shellSocket,
  [`${units}/shell@.service`]: shellUnit,
};

/** Links, by path: what is started, and what would only cost time. */
export const guestLinks: Readonly<Record<string, string>> = {
  [`${units}/multi-user.target.wants/kubelet.service`]: '../kubelet.service',
  [`${units}/sockets.target.wants/shell.socket`]: '../shell.socket',
  ...Object.fromEntries(
    [
      'apt-daily.timer',
      'apt-daily-upgrade.timer',
      'dpkg-db-backup.timer',
      'e2scrub_all.timer',
      'e2scrub_reap.service',
      'fstrim.timer',
      'getty@tty1.service',
      'modprobe@.service',
      'serial-getty@ttyS0.service',
      'systemd-random-seed.service',
      'systemd-tmpfiles-clean.timer',
    ].map((unit) => [`${units}/${unit}`, '/dev/null']),
  ),
};
