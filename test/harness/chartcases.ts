import { readFileSync } from 'node:fs';

import { parse } from 'yaml';

import type { Json } from './api.ts';

const example = new URL('../../docs/nodetender.example.yaml', import.meta.url);

/** What people give the chart: values by the name of what they are for. */
export const chartCases: Readonly<Record<string, Json>> = {
  'nothing at all': {},
  'every key of the configuration': { config: parse(readFileSync(example, 'utf8')) as Json },
  'reboots by logind': { config: { reboot: { enabled: true } } },
  'reboots by a signal': { config: { reboot: { enabled: true, method: 'signal', signal: 39 } } },
  'reboots by a command': { config: { reboot: { enabled: true, method: 'command', command: ['/sbin/reboot'] } } },
  'a sentinel that is a command': {
    config: { reboot: { enabled: true, sentinel: { command: ['/usr/bin/needs-restarting', '--reboothint'] } } },
  },
  'a sentinel elsewhere': {
    config: { reboot: { enabled: true, sentinel: { path: '/var/lib/updates/reboot', settle: '1m' } } },
  },
  'another way to reboot, turned off': { config: { reboot: { enabled: false, method: 'command' } } },
  'k3s, with watermarks': {
    config: {
      runtime: { endpoint: 'unix:///run/k3s/containerd/containerd.sock' },
      images: { disk: { startAbove: '85%', stopBelow: '70%' }, budget: { bytes: 53_687_091_200 } },
    },
  },
  'CRI-O by its older path': { config: { runtime: { endpoint: 'unix:///var/run/crio/crio.sock' } } },
  'a disk that is named': { config: { images: { disk: { startAbove: '85%', path: '/data/images' } } } },
  'a disk that is mounted already': {
    config: { images: { disk: { startAbove: '85%', path: '/var/lib/nodetender' } } },
  },
  'texts that YAML might take for something else': {
    config: {
      images: {
        keep: ['registry.example/on', 'registry.example/app:1.10'],
        schedule: { cron: '0 3 * * 6', timeZone: 'UTC' },
      },
      reboot: {
        enabled: true,
        windows: { allow: [{ days: ['mon'], from: '22:00', to: '05:30' }], timeZone: 'Europe/Paris' },
        notify: {
          messages: { drain: '', reboot: 'yes', uncordon: '{{node}}: "done"', problem: "it's\nbroken # {{reason}}" },
        },
      },
    },
  },
  'no port': { config: { http: { address: '' } } },
  'a port for the pod alone': { config: { http: { address: '127.0.0.1:9000' } } },
  'everything for monitoring': {
    config: { http: { address: '[::]:9100' } },
    podMonitor: { enabled: true, interval: '30s', labels: { release: 'prometheus' } },
    serviceMonitor: { enabled: true, labels: { release: 'prometheus' } },
    prometheusRule: { enabled: true, rebootPendingDays: 2.5, slotHeldMinutes: 30 },
    dashboard: { enabled: true, annotations: { grafana_folder: 'Nodes' } },
    networkPolicy: {
      enabled: true,
      ingressFrom: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }],
      egress: [{ ports: [{ port: 6443, protocol: 'TCP' }] }],
    },
  },
  'one label in several places': {
    commonLabels: { team: 'platform', 'eraser.sh/exclude.list': 'no' },
    podLabels: { team: 'nodes' },
    podAnnotations: { 'kubectl.kubernetes.io/default-container': 'sidecar' },
    podMonitor: { enabled: true, labels: { team: 'metrics' } },
    serviceMonitor: { enabled: true, labels: { team: 'metrics' } },
    prometheusRule: { enabled: true, labels: { team: 'metrics' } },
    dashboard: { enabled: true, labels: { team: 'metrics' } },
    systemExclusion: { create: true },
  },
  'names and accounts of their own': {
    fullnameOverride: 'tender-of-nodes',
    serviceAccount: { create: false, name: 'robot' },
    config: { cluster: { excludeNamespaces: ['nodetender', 'kube-system', 'shared'] } },
    rbac: { ownersGuarded: true },
  },
  'permissions from elsewhere': {
    rbac: { create: false },
    imageList: { installCRD: false },
    admissionPolicy: { enabled: false },
  },
  'nothing where something is by default': {
    config: null,
    podSecurityContext: null,
    securityContext: null,
    resources: null,
    affinity: null,
    tolerations: null,
    nodeSelector: null,
    priorityClassName: null,
    updateStrategy: null,
    podLabels: null,
    commonLabels: null,
    rbac: { create: null },
    image: { tag: null, digest: null },
    dashboard: { enabled: true, labels: null },
    networkPolicy: { enabled: true, ingressFrom: null },
  },
  'as part of another chart': { enabled: true, global: { imageRegistry: 'registry.example' } },
  'all that can be added': {
    image: { repository: 'registry.example/nodetender', digest: `sha256:${'0'.repeat(64)}`, pullPolicy: 'Always' },
    imagePullSecrets: [{ name: 'registry' }],
    commonLabels: { team: 'platform' },
    podLabels: { 'example.com/scanned': 'true' },
    podAnnotations: { 'example.com/owner': 'platform' },
    serviceAccount: { annotations: { 'example.com/role': 'nodes' } },
    securityContext: { seLinuxOptions: { type: 'spc_t' } },
    extraEnv: [{ name: 'NOTIFY_URL', valueFrom: { secretKeyRef: { name: 'hooks', key: 'url' } } }],
    extraVolumes: [{ name: 'hooks', secret: { secretName: 'hooks' } }],
    extraVolumeMounts: [{ name: 'hooks', mountPath: '/etc/hooks', readOnly: true }],
    systemExclusion: { create: true },
    hostMounts: { propagation: 'None', images: '/data/containerd/io.containerd.snapshotter.v1.overlayfs' },
    resources: { requests: { cpu: '50m' } },
  },
};
