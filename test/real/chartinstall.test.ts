import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { Json } from '../harness/api.ts';
import { chartCases } from '../harness/chartcases.ts';
import { eventually } from '../harness/eventually.ts';
import { chart, helm, helmVersions, objectOf, renderChart, valuesArgument } from '../harness/helm.ts';
import { ControlPlane } from '../harness/kubernetes.ts';
import { monitoringCrds } from '../harness/monitoringcrds.ts';

const crdPath = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const imageLists = `${crdPath}/imagelists.eraser.sh`;
const controlIn = (namespace: string): string => `/api/v1/namespaces/${namespace}/configmaps/nodetender-control`;
let plane: ControlPlane;

beforeAll(async () => {
  plane = await ControlPlane.launch();
  for (const name of ['nodetender', 'shared', 'elsewhere'])
    await plane.api.create('/api/v1/namespaces', { metadata: { name } });
  for (const crd of monitoringCrds) await plane.api.create(crdPath, crd);
  for (const plural of ['podmonitors', 'servicemonitors', 'prometheusrules']) {
    const path = `/apis/monitoring.coreos.com/v1/${plural}`;
    await eventually(`${plural} are served`, async () => (await plane.api.send('GET', path)).status === 200);
  }
});

afterAll(async () => {
  await plane?.destroy();
});

describe('the API server', () => {
  it.each(Object.entries(chartCases))('takes every object, and knows every field of it: %s', async (_, values) => {
    const objects = await renderChart(values, { args: ['--kube-version=1.34.0'] });
    const answer = await dryRun(objects);
    expect(answer.trim().split('\n')).toHaveLength(objects.length);
    // Nobody makes pods of the DaemonSet here.
    expect(await dryRun([podOf(objects)])).toContain('created');
  });

  it('refuses the pod in a namespace that allows no directories of the host, as the notes say', async () => {
    const key = 'pod-security.kubernetes.io/enforce';
    const pod = podOf(await renderChart());
    await plane.api.merge('/api/v1/namespaces/shared', { metadata: { labels: { [key]: 'baseline' } } });
    const moved = { ...pod, metadata: { ...(pod['metadata'] as Json), namespace: 'shared' } };
    await expect(dryRun([moved])).rejects.toThrow(/violates PodSecurity "baseline:latest": hostPath volumes/);
    await plane.api.merge('/api/v1/namespaces/shared', { metadata: { labels: { [key]: 'privileged' } } });
    expect(await dryRun([moved])).toContain('created');
  });
});

describe.each(helmVersions)('helm %s', (version) => {
  const run = (...args: readonly string[]): Promise<string> => helm(args, { version, clients: plane.clients });
  const into = (namespace: string): string => `--namespace=${namespace}`;

  it('installs, upgrades and uninstalls, and the ImageLists stay', async () => {
    const notes = await run('install', 'nodetender', chart, into('nodetender'));
    expect(notes).toContain('nodetender');
    expect((await plane.api.send('GET', imageLists)).status).toBe(200);
    const values = valuesArgument({ config: { images: { minUnused: '3d' } } });
    // A run that was missed meanwhile is made up for.
    expect(await run('upgrade', 'nodetender', chart, into('nodetender'), ...values)).not.toContain('goes today');
    const text = await plane.kubectl('get', 'configmap', 'nodetender', '-n', 'nodetender', '-o', 'yaml');
    expect(text).toContain('minUnused: 3d');
    await run('uninstall', 'nodetender', into('nodetender'));
    expect((await plane.api.send('GET', imageLists)).status).toBe(200);
    expect(await leftovers()).toEqual([
      'configmap/nodetender-control',
      'customresourcedefinition.apiextensions.k8s.io/imagelists.eraser.sh',
    ]);
  });

  it('installs again over the CRD that stayed', async () => {
    expect(await run('install', 'nodetender', chart, into('nodetender'))).toContain('STATUS: deployed');
    await run('uninstall', 'nodetender', into('nodetender'));
  });

  it('says how to take over the CRD that another release has left', async () => {
    const refusal = await run('install', 'tender', chart, into('elsewhere')).catch(String);
    expect(refusal).toContain('is there already, from release nodetender in namespace nodetender');
    for (const [release, namespace] of [
      ['tender', 'elsewhere'],
      ['nodetender', 'nodetender'],
    ] as const) {
      const said = await run('install', release, chart, into(namespace)).catch(String);
      const [, remedy = ''] = /`kubectl (annotate crd [^`]+)`/.exec(said) ?? [];
      await plane.kubectl(...remedy.split(' '));
      expect(await run('install', release, chart, into(namespace))).toContain('STATUS: deployed');
      await run('uninstall', release, into(namespace));
      await plane.api.delete(controlIn(namespace));
    }
  });

  it('refuses a second release in another namespace, and takes one beside the first', async () => {
    await run('install', 'nodetender', chart, into('nodetender'));
    await expect(run('install', 'other', chart, into('elsewhere'), '--set=imageList.installCRD=false')).rejects.toThrow(
      /Nodetender is installed already: DaemonSet nodetender in namespace nodetender/,
    );
    const values = valuesArgument({ imageList: { installCRD: false }, nodeSelector: { pool: 'arm' } });
    await run('install', 'arm-nodetender', chart, into('nodetender'), ...values);
    await run('upgrade', 'nodetender', chart, into('nodetender'));
    await run('uninstall', 'arm-nodetender', into('nodetender'));
    await run('uninstall', 'nodetender', into('nodetender'));
  });

  it('ends no pause: not by force, not by a rollback, not with one release of two, not by installing anew', async () => {
    const pause = 'nodetender.dev/pause';
    const force = version === 3 ? ['--force'] : ['--force-replace', '--server-side=false'];
    const values = valuesArgument({ imageList: { installCRD: false }, nodeSelector: { pool: 'arm' } });
    const steps = [
      ['upgrade', 'nodetender', chart, '--set=config.images.minUnused=3d'],
      ['upgrade', 'nodetender', chart, '--set=config.images.minUnused=4d', ...force],
      ['rollback', 'nodetender', '1'],
      ['install', 'arm-nodetender', chart, ...values],
      ['uninstall', 'nodetender'],
      ['uninstall', 'arm-nodetender'],
      ['install', 'nodetender', chart],
    ];
    await run('install', 'nodetender', chart, into('nodetender'));
    await plane.kubectl('annotate', '-n', 'nodetender', 'configmap', 'nodetender-control', `${pause}=incident`);
    for (const [verb = '', ...rest] of steps) {
      await run(verb, ...rest, into('nodetender'));
      const { metadata } = await plane.api.get(controlIn('nodetender'));
      expect({ after: [verb, ...rest], metadata }).toHaveProperty(['metadata', 'annotations', pause], 'incident');
    }
    await run('uninstall', 'nodetender', into('nodetender'));
    await plane.api.delete(controlIn('nodetender'));
  });

  it('leaves a CRD that Eraser has installed, and says how to go on', async () => {
    const mine = await plane.api.get(imageLists);
    await plane.api.send('DELETE', imageLists);
    await eventually('the CRD is gone', async () => (await plane.api.send('GET', imageLists)).status === 404);
    const { name } = mine['metadata'] as { name: string };
    await plane.api.create(crdPath, { ...mine, metadata: { name }, status: undefined });
    await expect(run('install', 'nodetender', chart, into('nodetender'))).rejects.toThrow(
      /the CRD imagelists\.eraser\.sh is there already.*imageList\.installCRD=false/,
    );
    await run('install', 'nodetender', chart, into('nodetender'), '--set=imageList.installCRD=false');
    await run('uninstall', 'nodetender', into('nodetender'));
    expect((await plane.api.get(imageLists))['metadata']).not.toHaveProperty('annotations');
    await plane.api.send('DELETE', imageLists);
    await eventually('the CRD is gone', async () => (await plane.api.send('GET', imageLists)).status === 404);
  });
});

describe('the notes', () => {
  const notes = async (values: Json): Promise<string> => {
    const args = [
      'install',
      'nodetender',
      chart,
      '--namespace=nodetender',
      '--dry-run=server',
      ...valuesArgument(values),
    ];
    const text = await helm(args, { clients: plane.clients });
    return text.slice(text.indexOf('NOTES:'));
  };

  it('say what will happen here, and name three commands', async () => {
    await plane.api.create('/api/v1/nodes', { metadata: { name: 'web-1' } });
    const said = await notes({});
    expect(said).toContain('(1 now)');
    expect(said).toContain('for 7d are removed every 7d');
    expect(said).toContain('No node is rebooted.');
    expect(said.match(/^ {2}kubectl .*/gm)?.slice(0, 3)).toEqual([
      expect.stringContaining('rollout status daemonset/nodetender'),
      expect.stringContaining('nodetender.dev/clean=dry-run-'),
      expect.stringContaining('nodetender\\.dev/last-clean'),
    ]);
    // They are commands: kubectl takes the last one as it stands.
    const last = /-o (custom-columns)='([^']+)'/.exec(said);
    expect(await plane.kubectl('get', 'nodes', '-o', `${last?.[1]}=${last?.[2]}`)).toMatch(
      /^NAME +REBOOT +LAST\nweb-1 /,
    );
    await plane.api.delete('/api/v1/nodes/web-1');
  });

  it.each([
    ['nothing at all', ['without any capability'], ['hostPID', 'AppArmor', 'WARNING']],
    ['reboots by logind', ['without any capability', 'AppArmor Unconfined', 'the system bus'], ['hostPID', 'WARNING']],
    [
      'reboots by a signal',
      ['hostPID, because config.reboot.method is signal', 'the signal'],
      ['privileged and hostPID'],
    ],
    [
      'reboots by a command',
      ['privileged and hostPID, because config.reboot.method is command'],
      ['without any capability'],
    ],
    ['a sentinel that is a command', ['because config.reboot.sentinel.command is set'], ['without any capability']],
    ['permissions from elsewhere', ['WARNING: no admission policy'], ['ImageLists are obeyed']],
  ])('say what privilege there is, and why: %s', async (name, told, untold) => {
    const said = await notes(chartCases[name] ?? {});
    for (const words of told) expect(said).toContain(words);
    for (const words of untold) expect(said).not.toContain(words);
  });

  it.each<[string, Json, string, boolean]>([
    ['by default', {}, 'for 7d are removed every 7d.', true],
    ['after two days', { schedule: { every: '2d' } }, 'removed every 2d.', true],
    ['within the day', { schedule: { every: '1h' } }, 'removed every 1h.', false],
    ['at a time of day', { schedule: { cron: '0 3 * * *' } }, 'removed at "0 3 * * *" (UTC).', false],
    ['at the start', { schedule: { cron: '@daily', runAtStart: true } }, 'it cleans at once', false],
    [
      'when the disk is full',
      { disk: { startAbove: '85%' } },
      'fuller than 85%, images go that nothing has used for 1h',
      false,
    ],
    [
      'by rules',
      { removeUnused: false, remove: ['registry.example/old/*'] },
      'Only images that config.images.remove names',
      true,
    ],
    ['never', { enabled: false }, 'No image is removed by schedule', false],
  ])('promise that nothing goes today only where it is so: %s', async (_, images, words, isPromised) => {
    const said = await notes({ config: { images } });
    expect(said).toContain(words);
    expect(said.includes('nothing goes today')).toBe(isPromised);
  });

  it('warn where the namespace forbids the pods', async () => {
    const key = 'pod-security.kubernetes.io/enforce';
    await plane.api.merge('/api/v1/namespaces/nodetender', { metadata: { labels: { [key]: 'restricted' } } });
    const said = await notes({});
    expect(said).toContain('WARNING: nodetender enforces restricted now');
    const [, remedy = ''] = /kubectl (label .*namespace .*)/.exec(said) ?? [];
    expect(await plane.kubectl(...remedy.split(' '))).toContain('labeled');
    expect(await notes({})).not.toContain('WARNING');
  });
});

/** What `kubectl apply` would do with them, without doing it. Unknown fields are refused. */
async function dryRun(objects: readonly Json[]): Promise<string> {
  const file = join(await mkdtemp(join(plane.folder, 'manifest-')), 'objects.json');
  await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
  return await plane.kubectl('apply', '--dry-run=server', '--validate=strict', '-f', file);
}

/** As the DaemonSet's controller would make it. */
function podOf(objects: readonly Json[]): Json {
  const { template } = objectOf(objects, 'DaemonSet')['spec'] as { template: { metadata: Json; spec: Json } };
  const metadata = { ...template.metadata, name: 'agent', namespace: 'nodetender' };
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: template.spec };
}

/** Everything that carries the chart's label. */
async function leftovers(): Promise<string[]> {
  const kinds =
    'ds,sa,cm,svc,secret,quota,role,rolebinding,clusterrole,clusterrolebinding,crd,validatingadmissionpolicy,validatingadmissionpolicybinding,networkpolicy';
  const found = await plane.kubectl('get', kinds, '-A', '-l', 'app.kubernetes.io/name=nodetender', '-o', 'name');
  return found.split('\n').filter((line) => line !== '');
}
