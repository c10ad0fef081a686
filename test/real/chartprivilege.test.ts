import { describe, expect, it } from 'vitest';

import type { Json } from '../harness/api.ts';
import { chartCases } from '../harness/chartcases.ts';
import { objectOf, renderChart } from '../harness/helm.ts';

interface Pod {
  readonly metadata: { readonly annotations: Record<string, string> };
  readonly spec: Json & {
    readonly containers: readonly [Container];
    readonly volumes: readonly { name: string; hostPath?: { path: string; type: string } }[];
  };
}

interface Container {
  readonly args: readonly string[];
  readonly securityContext: Json;
  readonly volumeMounts: readonly { name: string; mountPath: string; readOnly?: boolean; mountPropagation?: string }[];
}

const least = {
  runAsUser: 0,
  runAsGroup: 0,
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
};
const unconfined = { ...least, appArmorProfile: { type: 'Unconfined' } };
const privileged = { runAsUser: 0, runAsGroup: 0, readOnlyRootFilesystem: true, privileged: true };
const runtime = '/run/containerd -> /run/containerd';
const state = '/var/lib/nodetender -> /var/lib/nodetender';
const images = '/var/lib/containerd/nodetender -> /var/lib/containerd/io.containerd.snapshotter.v1.overlayfs';
const sentinel = '/var/run -> /host/var/run';
const bus = '/run/dbus -> /run/dbus';

describe('the pod', () => {
  it.each([
    ['nothing at all', least, false, [runtime, state, images]],
    ['another way to reboot, turned off', least, false, [runtime, state, images]],
    ['reboots by logind', unconfined, false, [runtime, state, images, sentinel, bus]],
    ['reboots by a signal', unconfined, true, [runtime, state, images, sentinel, bus]],
    ['reboots by a command', privileged, true, [runtime, state, images, sentinel, bus]],
    ['a sentinel that is a command', privileged, true, [runtime, state, images, bus]],
    [
      'a sentinel elsewhere',
      unconfined,
      false,
      [runtime, state, images, '/var/lib/updates -> /host/var/lib/updates', bus],
    ],
    ['a disk that is named', least, false, [runtime, state, '/data/images -> /data/images']],
    ['a disk that is mounted already', least, false, [runtime, state]],
    [
      'k3s, with watermarks',
      least,
      false,
      [
        '/run/k3s/containerd -> /run/k3s/containerd',
        state,
        '/var/lib/rancher/k3s/agent/containerd/nodetender -> /var/lib/rancher/k3s/agent/containerd/io.containerd.snapshotter.v1.overlayfs',
      ],
    ],
    [
      'CRI-O by its older path',
      least,
      false,
      [
        '/var/run/crio -> /var/run/crio',
        state,
        '/var/lib/containers/storage/nodetender -> /var/lib/containers/storage/overlay-images',
      ],
    ],
  ])('has exactly what it needs: %s', async (name, context, hostPid, mounts) => {
    const { spec } = await podOf(chartCases[name]);
    expect(spec.containers).toHaveLength(1);
    expect(spec['initContainers']).toBeUndefined();
    expect(spec.containers[0].securityContext).toEqual(context);
    expect(spec['securityContext']).toEqual({ seccompProfile: { type: 'RuntimeDefault' } });
    expect(spec['hostPID'] ?? false).toBe(hostPid);
    expect([spec['hostNetwork'], spec['hostIPC']]).toEqual([undefined, undefined]);
    expect(hostMounts(spec)).toEqual(mounts);
  });

  it.each(Object.entries(chartCases))(
    'has five directories of the host at most, and writes into one: %s',
    async (_, values) => {
      const { spec } = await podOf(values);
      expect(hostMounts(spec).length).toBeLessThanOrEqual(5);
      expect(
        spec.containers[0].volumeMounts.filter(({ readOnly }) => readOnly !== true).map(({ name }) => name),
      ).toEqual(['state']);
    },
  );

  it.each(['/var/lib/nodetender', '/data/nodetender'])(
    'knows the directory of its state, %s, without its configuration, which it may not be able to read',
    async (stateDirectory) => {
      const [container] = (await podOf({ config: { stateDirectory } })).spec.containers;
      expect(container.args.slice(-2)).toEqual(['--state-dir', stateDirectory]);
      expect(container.volumeMounts.find(({ name }) => name === 'state')?.mountPath).toBe(stateDirectory);
    },
  );

  it('lets go of what the host unmounts, but for hosts that cannot say so', async () => {
    const propagations = async (values: Json): Promise<unknown> =>
      (await podOf(values)).spec.containers[0].volumeMounts.flatMap(({ mountPropagation }) => mountPropagation ?? []);
    expect(await propagations({ config: { reboot: { enabled: true } } })).toEqual([
      'HostToContainer',
      'HostToContainer',
    ]);
    expect(await propagations({ hostMounts: { propagation: 'None' } })).toEqual(['None']);
  });

  it('says by an annotation that AppArmor is off before 1.30, where there is no field', async () => {
    const key = 'container.apparmor.security.beta.kubernetes.io/agent';
    const older = { args: ['--kube-version=1.29.4'] };
    const { metadata, spec } = await podOf(chartCases['reboots by logind'], older);
    expect(metadata.annotations[key]).toBe('unconfined');
    expect(spec.containers[0].securityContext).toEqual(least);
    for (const name of ['nothing at all', 'reboots by a command']) {
      expect((await podOf(chartCases[name], older)).metadata.annotations).not.toHaveProperty([key]);
    }
  });

  it('takes what is added to its security', async () => {
    const values = {
      securityContext: { seLinuxOptions: { type: 'spc_t' }, appArmorProfile: { type: 'RuntimeDefault' } },
      podSecurityContext: { fsGroup: 0 },
      config: { reboot: { enabled: true } },
    };
    const { spec } = await podOf(values);
    expect(spec.containers[0].securityContext).toEqual({ ...least, ...values.securityContext });
    expect(spec['securityContext']).toEqual({ seccompProfile: { type: 'RuntimeDefault' }, fsGroup: 0 });
  });

  it('goes to every node of Linux, whatever its taints, but to no virtual one', async () => {
    const { spec } = await podOf({});
    expect(spec).toMatchObject({
      tolerations: [{ operator: 'Exists' }],
      nodeSelector: { 'kubernetes.io/os': 'linux' },
      priorityClassName: 'system-node-critical',
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [
              {
                matchExpressions: [
                  { key: 'type', operator: 'NotIn', values: ['virtual-kubelet'] },
                  { key: 'eks.amazonaws.com/compute-type', operator: 'NotIn', values: ['fargate'] },
                ],
              },
            ],
          },
        },
      },
    });
  });
});

async function podOf(values: Json = {}, options: { readonly args?: readonly string[] } = {}): Promise<Pod> {
  const { spec } = objectOf(await renderChart(values, options), 'DaemonSet');
  return (spec as { template: Pod }).template;
}

/** `host -> container`, in the order of the mounts. */
function hostMounts({ containers: [container], volumes }: Pod['spec']): string[] {
  return container.volumeMounts.flatMap(({ name, mountPath }) => {
    const path = volumes.find((volume) => volume.name === name)?.hostPath?.path;
    return path === undefined ? [] : [`${path} -> ${mountPath}`];
  });
}
