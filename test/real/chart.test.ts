import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { describe, expect, it } from 'vitest';

import { parseConfig } from '../../agent/config/load.ts';
import { permissionsListed } from '../harness/permissions.ts';
import { chartCases } from '../harness/chartcases.ts';
import type { Json } from '../harness/api.ts';
import { chart, helm, helmVersions, objectOf, objectsIn, renderChart, valuesArgument } from '../harness/helm.ts';
import { textOfPage } from '../harness/page.ts';

/** The agent's configuration among what the chart makes. */
function configOf(objects: readonly Json[]): ReturnType<typeof parseConfig> {
  const texts = objects.flatMap(({ kind, data }) => (kind === 'ConfigMap' ? Object.entries((data ?? {}) as Json) : []));
  return parseConfig(String(texts.find(([key]) => key === 'config.yaml')?.[1]), 'the ConfigMap');
}

describe.each(helmVersions)('helm %s', (version) => {
  it.each(Object.entries(chartCases))('makes what the values say, to lint and to the agent: %s', async (_, values) => {
    const linted = await helm(['lint', '--strict', chart, ...valuesArgument(values)], { version });
    expect(linted).toContain('0 chart(s) failed');
    const given = parseConfig(JSON.stringify(values['config'] ?? {}), 'the values');
    const { sentinel } = given.reboot;
    // Mounted elsewhere: a pod has its token in /var/run.
    const path = given.reboot.enabled && sentinel.command === undefined ? `/host${sentinel.path}` : sentinel.path;
    const rendered = configOf(await renderChart(values, { version }));
    expect(rendered).toEqual({ ...given, reboot: { ...given.reboot, sentinel: { ...sentinel, path } } });
  });

  it.each([
    ['a key that is misspelt', { config: { images: { scedule: {} } } }, 'scedule'],
    ['a number for a duration', { config: { images: { minUnused: 7 } } }, 'config/images/minUnused'],
    [
      'a percentage without its sign',
      { config: { images: { disk: { startAbove: '85' } } } },
      'config/images/disk/startAbove',
    ],
    ['a way to reboot that there is not', { config: { reboot: { method: 'kexec' } } }, 'config/reboot/method'],
    [
      'a word for a number',
      { config: { reboot: { drain: { parallelism: 'ten' } } } },
      'config/reboot/drain/parallelism',
    ],
    ['a value of the chart that is misspelt', { image: { repo: 'x' } }, 'repo'],
    ['one at the top', { configuration: {} }, 'configuration'],
    ['a digest that is none', { image: { digest: 'latest' } }, 'image/digest'],
    ['a Node’s name, which is each pod’s own', { config: { cluster: { nodeName: 'web-1' } } }, "'nodeName'"],
    ['a namespace other than the release’s', { config: { cluster: { namespace: 'kube-system' } } }, "'namespace'"],
    ['an agent without its cluster', { config: { cluster: { enabled: false } } }, 'config/cluster/enabled'],
    ['a section without a value', { image: null }, "missing property 'image'"],
    ['a text that is needed', { hostMounts: { propagation: null } }, "missing property 'propagation'"],
    ['a number that is needed', { prometheusRule: { slotHeldMinutes: null } }, "missing property 'slotHeldMinutes'"],
    ['a label of pods that they are found by', { podLabels: { 'app.kubernetes.io/name': 'x' } }, 'podLabels'],
    ['one of all objects', { commonLabels: { 'app.kubernetes.io/instance': 'x' } }, 'commonLabels'],
  ])('refuses %s by its name', async (_, values, name) => {
    await expect(renderChart(values, { version })).rejects.toThrow(new RegExp(name.replaceAll('/', '[./]')));
  });

  it('refuses the values of an older chart, in the words that the page on troubleshooting quotes', async () => {
    const older = { resourceQuota: null, rbac: { privilegedSCC: null } };
    const quoted = textOfPage('troubleshooting.md').match(/(?<=`)at '[^`]*': missing property '[^`]+(?=`)/g) ?? [];
    expect(quoted).toHaveLength(2);
    for (const text of quoted) await expect(renderChart(older, { version })).rejects.toThrow(text);
  });

  it('refuses watermarks where it is not known which disk is meant, and says what to do', async () => {
    const unknown = {
      runtime: { endpoint: 'unix:///run/own/containerd.sock' },
      images: { disk: { startAbove: '85%' } },
    };
    await expect(renderChart({ config: unknown }, { version })).rejects.toThrow(
      /config\.images\.disk\.startAbove: expected hostMounts\.images or config\.images\.disk\.path/,
    );
    const images = '/data/containerd/io.containerd.snapshotter.v1.overlayfs';
    await expect(renderChart({ config: unknown, hostMounts: { images } }, { version })).resolves.toBeDefined();
  });

  it.each([
    ['config.images.disk.path', { config: { images: { disk: { path: '/' } } } }],
    ['config.images.disk.path', { config: { images: { disk: { path: '/var/run/' } } } }],
    ['config.runtime.endpoint', { config: { runtime: { endpoint: 'unix:///containerd.sock' } } }],
    ['config.runtime.endpoint', { config: { runtime: { endpoint: 'unix:///run/containerd.sock' } } }],
    ['config.stateDirectory', { config: { stateDirectory: '/' } }],
    ['config.stateDirectory', { config: { stateDirectory: '/run/containerd' } }],
    ['config.reboot.sentinel.path', { config: { reboot: { enabled: true, sentinel: { path: '/reboot-required' } } } }],
    ['hostMounts.systemBus', { config: { reboot: { enabled: true } }, hostMounts: { systemBus: '/run' } }],
  ])('refuses a %s that would hide what the container runs by', async (name, values) => {
    await expect(renderChart(values, { version })).rejects.toThrow(
      new RegExp(`${name.replaceAll('.', '[.]')}: expected `),
    );
  });

  it('refuses a monitor of a port that nobody can reach', async () => {
    const values = { config: { http: { address: '' } }, podMonitor: { enabled: true } };
    await expect(renderChart(values, { version })).rejects.toThrow(
      /podMonitor\.enabled: expected config\.http\.address/,
    );
  });

  it('renders for every Kubernetes of the range, and for none below it', async () => {
    for (const minor of [28, 29, 30, 34, 36]) {
      const args = [`--kube-version=1.${minor}.0`];
      const kinds = (await renderChart(chartCases['reboots by logind'], { version, args })).map(({ kind }) => kind);
      expect(kinds.includes('ValidatingAdmissionPolicy')).toBe(minor >= 30);
    }
    const vendors = ['--kube-version=v1.33.5-eks-113cf36'];
    await expect(renderChart({}, { version, args: vendors })).resolves.toBeDefined();
    await expect(renderChart({}, { version, args: ['--kube-version=1.27.9'] })).rejects.toThrow(/1\.28\.0/);
  });
});

describe('a change of the configuration', () => {
  it('replaces pods only where they read it when they start', async () => {
    const annotations = async (config: Json): Promise<unknown> =>
      ((((await daemonSet({ config }))['spec'] as Json)['template'] as Json)['metadata'] as Json)['annotations'];
    const before = await annotations({});
    expect(await annotations({ images: { minUnused: '3d' }, cluster: { settle: '1m' } })).toEqual(before);
    expect(await annotations({ cluster: { excludeNamespaces: ['shared'] } })).not.toEqual(before);
    expect(await annotations({ http: { address: '0.0.0.0:9000' } })).not.toEqual(before);
  });
});

it('a label of one object wins over the same label of all', async () => {
  const objects = await renderChart(chartCases['one label in several places']);
  const teamOf = (kind: string): unknown => ((objectOf(objects, kind)['metadata'] as Json)['labels'] as Json)['team'];
  expect(['DaemonSet', 'PodMonitor', 'ServiceMonitor', 'PrometheusRule'].map(teamOf)).toEqual([
    'platform',
    'metrics',
    'metrics',
    'metrics',
  ]);
  const { metadata } = (objectOf(objects, 'DaemonSet')['spec'] as { template: Json }).template;
  expect(metadata).toMatchObject({
    labels: { team: 'nodes' },
    annotations: { 'kubectl.kubernetes.io/default-container': 'sidecar' },
  });
});

describe('the permissions', () => {
  const own = { nodetender: 'nodetender', 'kube-system': 'kube-system', default: 'default' };

  it('are those of the list, and no others', async () => {
    const granted = permissionsOf(await renderChart());
    expect(granted).toEqual([...permissionsListed('agent'), ...permissionsListed('reboots')].toSorted());
  });

  it('are in each namespace of exclusion lists, and nowhere else', async () => {
    const excludeNamespaces = ['shared', 'nodetender'];
    const objects = await renderChart({ config: { cluster: { excludeNamespaces } } });
    const namespaces = objects
      .filter(({ kind }) => kind === 'Role')
      .map(({ metadata }) => String((metadata as Json)['namespace']));
    expect(namespaces.toSorted()).toEqual(['default', 'nodetender', 'shared']);
  });

  it('of an owner are granted where they are asked for, and on OpenShift', async () => {
    const deletes = 'delete coordination.k8s.io/leases in nodetender';
    expect(permissionsOf(await renderChart({ rbac: { ownersGuarded: true } }))).toContain(deletes);
    const openShift = { args: ['--api-versions=security.openshift.io/v1'] };
    expect(permissionsOf(await renderChart({}, openShift))).toContain(deletes);
    expect(permissionsOf(await renderChart({ rbac: { ownersGuarded: false } }, openShift))).not.toContain(deletes);
  });

  it('are those of a privileged pod where OpenShift asks for them', async () => {
    const bound = async (values: Json, args: readonly string[]): Promise<readonly unknown[]> =>
      (await renderChart(values, { args }))
        .filter(({ kind }) => kind === 'RoleBinding')
        .map(({ roleRef }) => (roleRef as Json)['name']);
    const openShift = ['--api-versions=security.openshift.io/v1'];
    const role = 'system:openshift:scc:privileged';
    expect(await bound({}, openShift)).toContain(role);
    expect(await bound({ rbac: { privilegedSCC: false } }, openShift)).not.toContain(role);
    expect(await bound({}, [])).not.toContain(role);
  });

  it('of both kinds are in plain objects with the option for OpenShift that the README names', async () => {
    const manifest = fileURLToPath(new URL('../../scripts/manifest', import.meta.url));
    const [, option = ''] = /OpenShift needs [^.]*?`(--[^`]+)`/s.exec(textOfPage('../README.md')) ?? [];
    const { stdout } = await promisify(execFile)(manifest, option.split(' '));
    const objects = objectsIn(stdout);
    expect(permissionsOf(objects)).toContain('delete coordination.k8s.io/leases in nodetender');
    expect(objectOf(objects, 'RoleBinding', 'nodetender-scc')).toMatchObject({
      roleRef: { name: 'system:openshift:scc:privileged' },
    });
  });

  it('are all bound to the agent’s account', async () => {
    const objects = await renderChart({ serviceAccount: { name: 'robot' } });
    const bindings = objects.filter(({ kind }) => String(kind).endsWith('RoleBinding'));
    const roles = objects.filter(({ kind }) => kind === 'Role' || kind === 'ClusterRole');
    expect(bindings.map(({ roleRef }) => (roleRef as Json)['name'])).toEqual(
      roles.map(({ metadata }) => (metadata as Json)['name']),
    );
    for (const { subjects } of bindings) {
      expect(subjects).toEqual([{ kind: 'ServiceAccount', name: 'robot', namespace: 'nodetender' }]);
    }
  });

  /** In the words of the list of permissions. */
  function permissionsOf(objects: readonly Json[]): string[] {
    const roles = objects.filter(({ kind }) => kind === 'Role' || kind === 'ClusterRole');
    return roles
      .flatMap(({ metadata, rules }) => {
        const { namespace } = metadata as { namespace?: keyof typeof own };
        return (rules as Record<'apiGroups' | 'resources' | 'verbs', string[]>[]).flatMap((rule) =>
          rule.verbs.flatMap((verb) =>
            rule.resources.flatMap((resource) =>
              rule.apiGroups.map(
                (group) =>
                  `${verb} ${group === '' ? '' : `${group}/`}${resource}${namespace === undefined ? '' : ` in ${namespace}`}`,
              ),
            ),
          ),
        );
      })
      .toSorted();
  }
});

async function daemonSet(values: Json): Promise<Json> {
  return objectOf(await renderChart(values), 'DaemonSet');
}
