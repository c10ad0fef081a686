import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { Json } from '../harness/api.ts';
import { eventually } from '../harness/eventually.ts';
import { ControlPlane } from '../harness/kubernetes.ts';
import { commandsOfPage, textOfPage } from '../harness/page.ts';
import { PageShell } from '../harness/pageshell.ts';

/**
 * Pages typed line by line, with helm and a real API server: the moves of docs/from-kured.md and docs/from-eraser.md, and
 * docs/troubleshooting.md. What stands for kured and Eraser is what of their charts the moves are about; nobody runs their pods, or ours.
 */

const daemonSet = '/apis/apps/v1/namespaces/kube-system/daemonsets/kured';
const imageLists = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/imagelists.eraser.sh';
const lock = 'weave.works/kured-node-lock';
const template = `
  selector: { matchLabels: { app: stand-in } }
  template:
    metadata: { labels: { app: stand-in } }
    spec: { containers: [{ name: main, image: stand-in }], tolerations: [{ operator: Exists }] }
`;
const kured = `apiVersion: apps/v1\nkind: DaemonSet\nmetadata: { name: kured }\nspec:${template}`;
const eraser = `apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: eraser-controller-manager }\nspec:${template}`;

let plane: ControlPlane;
let shell: PageShell;

beforeAll(async () => {
  plane = await ControlPlane.launch({ controllerManager: true });
  shell = await PageShell.open(plane);
  await writeFile(join(shell.folder, 'values.yaml'), 'config: {}\n');
  for (const [name, pool] of Object.entries({ 'web-1': 'web', 'db-1': 'db' }))
    await plane.api.create('/api/v1/nodes', { metadata: { name, labels: { pool, 'kubernetes.io/os': 'linux' } } });
});
afterAll(async () => {
  await plane?.destroy();
});

async function configuration(): Promise<string> {
  const { data } = await plane.api.get('/api/v1/namespaces/nodetender/configmaps/nodetender');
  return String((data as Json)['config.yaml']);
}

describe('the move from kured', () => {
  const page = commandsOfPage('from-kured.md');
  const [install = '', nodes = '', take = '', look = '', empty = '', turnOn = '', watch = '', ...rest] =
    page.get('The move, step by step') ?? [];
  const [turnOff = '', slots = '', giveBack = '', uninstall = '', cordons = '', annotations = '', ...more] = rest;
  const [label = '', keepOff = '', ...others] = page.get('Pool by pool') ?? [];

  async function holder(): Promise<string | undefined> {
    const { annotations: all = {} } = (await plane.api.get(daemonSet))['metadata'] as { annotations?: Json };
    return all[lock] as string | undefined;
  }

  /** On how many nodes kured has pods, now that the DaemonSet has been changed. */
  async function untilKuredIsOn(count: number): Promise<void> {
    await eventually(`kured is on ${count} nodes`, async () => {
      const { metadata, status } = (await plane.api.get(daemonSet)) as {
        metadata: { generation: number };
        status: { observedGeneration?: number; desiredNumberScheduled: number };
      };
      return status.observedGeneration === metadata.generation && status.desiredNumberScheduled === count;
    });
  }

  beforeAll(async () => {
    await shell.writeChart('kured', { 'daemonset.yaml': kured });
    await shell.type('helm install kured ./kured -n kube-system');
    await untilKuredIsOn(2);
  });
  afterAll(async () => {
    await shell.type('helm uninstall -n nodetender nodetender');
  });

  it('has these commands', () => {
    expect([more, others]).toEqual([[], []]);
    expect([...page.keys()]).toEqual(['The move, step by step', 'Pool by pool']);
  });

  it('begins with reboots off', async () => {
    await shell.type(install);
    expect(await configuration()).not.toContain('reboot');
    expect(await shell.type(nodes)).toContain('web-1');
  });

  it('takes the lock, and not from a node that has it', async () => {
    await plane.api.merge(daemonSet, { metadata: { annotations: { [lock]: '{"nodeID":"web-1"}' } } });
    await expect(shell.type(take)).rejects.toThrow('--overwrite is false');
    expect(await shell.type(look)).toContain('web-1');
    await plane.api.merge(daemonSet, { metadata: { annotations: { [lock]: null } } });
    await shell.type(take);
    expect(await shell.type(look)).toContain('"nodeID":"nodetender"');
  });

  it('turns reboots on, and off again, and gives the lock back', async () => {
    await shell.type(turnOn);
    expect(await configuration()).toContain('enabled: true');
    expect(await shell.type(watch.replace(' --watch', ''))).toContain('no reboot is wanted');
    await shell.type(turnOff);
    expect(await configuration()).toContain('enabled: false');
    expect(await shell.type(slots)).toContain('No slots found');
    await shell.type(giveBack);
    expect(await holder()).toBeUndefined();
  });

  it('takes kured off the nodes that move, or off all', async () => {
    await shell.type(label);
    await shell.type(keepOff);
    await expect(untilKuredIsOn(1)).resolves.toBeUndefined();
    await shell.type(empty);
    await expect(untilKuredIsOn(0)).resolves.toBeUndefined();
  });

  it('removes kured', async () => {
    const left = { 'weave.works/kured-reboot-in-progress': 'x', 'weave.works/kured-most-recent-reboot-needed': 'x' };
    await plane.api.merge('/api/v1/nodes/web-1', { metadata: { annotations: left } });
    await shell.type(uninstall);
    expect(await shell.type(cordons)).toContain('web-1');
    await shell.type(annotations);
    const { metadata } = await plane.api.get('/api/v1/nodes/web-1');
    expect(JSON.stringify(metadata)).not.toContain('"weave.works/kured-reboot-in-progress":');
  });
});

describe('the move from Eraser', () => {
  const page = commandsOfPage('from-eraser.md');
  const [lists = '', exclusions = '', stop = '', pods = '', install = '', dryRun = '', describeNodes = '', ...rest] =
    page.get('The move, step by step') ?? [];
  const [move = '', uninstall = '', upgrade = '', restart = '', away = '', ...more] = rest;

  beforeAll(async () => {
    await shell.type(`kubectl delete crd imagelists.eraser.sh --ignore-not-found`);
    const crd = await readFile(
      new URL('../../charts/nodetender/files/imagelists.eraser.sh.yaml', import.meta.url),
      'utf8',
    );
    await shell.writeChart('eraser', { 'crd.yaml': crd, 'deployment.yaml': eraser });
    await shell.type('helm install eraser ./eraser -n eraser-system --create-namespace');
    await eventually(
      'ImageLists are served',
      async () => (await plane.api.send('GET', '/apis/eraser.sh/v1/imagelists')).status === 200,
    );
    await plane.api.create('/apis/eraser.sh/v1/imagelists', {
      apiVersion: 'eraser.sh/v1',
      kind: 'ImageList',
      metadata: { name: 'imagelist' },
      spec: { images: ['*'] },
    });
    await plane.api.create('/api/v1/namespaces/eraser-system/configmaps', {
      metadata: { name: 'excluded', labels: { 'eraser.sh/exclude.list': 'true' } },
      data: { 'a.json': '{"excluded": ["docker.io/library/*"]}' },
    });
  });

  it('has these commands', () => {
    expect(more).toEqual([]);
  });

  it('saves what is yours', async () => {
    await shell.type(lists);
    await shell.type(exclusions);
    expect(await readFile(join(shell.folder, 'imagelists.yaml'), 'utf8')).toContain('name: imagelist');
    expect(await readFile(join(shell.folder, 'exclusions.yaml'), 'utf8')).toContain('docker.io/library/*');
  });

  it('stops Eraser', async () => {
    await shell.type(stop);
    const { spec } = await plane.api.get(
      '/apis/apps/v1/namespaces/eraser-system/deployments/eraser-controller-manager',
    );
    expect(spec).toMatchObject({ replicas: 0 });
    await shell.type(pods);
  });

  it('installs beside its CRD, and may read its namespace’s exclusion lists', async () => {
    const withCrd = install.replace('--set imageList.installCRD=false ', '');
    await expect(shell.type(withCrd)).rejects.toThrow('the CRD imagelists.eraser.sh is there already');
    await shell.type(install);
    expect(await configuration()).toContain('eraser-system');
    const role = '/apis/rbac.authorization.k8s.io/v1/namespaces/eraser-system/roles/nodetender-exclusions';
    expect((await plane.api.send('GET', role)).status).toBe(200);
    await shell.type(`${dryRun} || true`);
    expect(await shell.type(describeNodes)).toContain('web-1');
  });

  it('removes Eraser, with whose CRD all ImageLists go, and brings its own', async () => {
    await shell.type(move);
    await shell.type(uninstall);
    await eventually('the CRD is gone', async () => (await plane.api.send('GET', imageLists)).status === 404);
    await shell.type(upgrade);
    await shell.type(restart);
    await eventually(
      'ImageLists are served',
      async () => (await plane.api.send('GET', '/apis/eraser.sh/v1/imagelists')).status === 200,
    );
    expect((await plane.api.get('/apis/eraser.sh/v1/imagelists'))['items']).toEqual([]);
  });

  it('reads the exclusion lists where they are now, and lets go of Eraser’s namespace', async () => {
    const { data } = await plane.api.get('/api/v1/namespaces/nodetender/configmaps/excluded');
    expect(data).toEqual({ 'a.json': '{"excluded": ["docker.io/library/*"]}' });
    expect(await configuration()).not.toContain('eraser-system');
    await shell.type(away);
    const gone = async (): Promise<boolean> =>
      (await plane.api.send('GET', '/api/v1/namespaces/eraser-system')).status === 404;
    await eventually('the namespace is gone', gone, 60_000);
    expect(await shell.type(upgrade)).toContain('STATUS: deployed');
  });
});

describe('troubleshooting', () => {
  const text = textOfPage('troubleshooting.md');
  const commands = commandsOfPage('troubleshooting.md');
  const chart = 'nodetender oci://ghcr.io/nodetender/charts/nodetender -n elsewhere';

  /** What of the one message of the page with these words the line does not say. */
  async function notSaid(line: string, words: string): Promise<string[]> {
    const quoted = [...text.matchAll(/^\| `([^`]+)`/gm)].map(([, message = '']) => message);
    const [message = words, ...others] = quoted.filter((one) => one.includes(words));
    const said = await shell.type(line).catch((error: unknown) => String(error));
    return [...message.split('…').filter((part) => !said.includes(part.trim())), ...others];
  }

  it('quotes what helm says', async () => {
    const refused = async (values: string, words: string): Promise<string[]> =>
      await notSaid(`helm template ${chart} ${values}; false`, words);
    const disk = '--set config.images.disk.startAbove=85% --set config.runtime.endpoint=unix:///run/own/x.sock';
    expect(await refused('--set config.images.minUnused=7', 'got number')).toEqual([]);
    expect(await refused('--set config.images.minUnuse=7d', 'not allowed')).toEqual([]);
    expect(await refused(disk, 'config.images.disk.startAbove')).toEqual([]);
    expect(await refused('--kube-version=1.27.9', 'kubeVersion')).toEqual([]);
    const second = `helm install ${chart} --create-namespace --set imageList.installCRD=false`;
    expect(await notSaid(second, 'is installed already')).toEqual([]);
  });

  it('quotes what keeps pods from being made, and what helps', async () => {
    const looks = (commands.get('An agent is not Ready') ?? []).filter((line) => line.includes('describe'));
    const [daemonSet = ''] = looks;
    await shell.type('kubectl label namespace nodetender pod-security.kubernetes.io/enforce=baseline --overwrite');
    await shell.type('kubectl delete pods -n nodetender --all --force');
    const isRefused = async (): Promise<boolean> => (await shell.type(daemonSet)).includes('violates PodSecurity');
    await eventually('the DaemonSet’s controller is refused', isRefused, 60_000);
    expect(await notSaid(daemonSet, 'violates PodSecurity')).toEqual([]);
    for (const line of looks) await shell.type(line);
    const remedy = /`(kubectl label namespace [^`]+)`/.exec(text)?.[1] ?? 'false';
    expect(await shell.type(remedy)).toContain('labeled');
  });

  it('has commands that find what they look for', async () => {
    const looks = [...commands.values()].flat().filter((line) => /^kubectl get (node|events|pods) /.test(line));
    expect(looks.length).toBeGreaterThan(4);
    for (const line of looks) expect(await shell.type(line)).not.toMatch(/^error/im);
  });
});
