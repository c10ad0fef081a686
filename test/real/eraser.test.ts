import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { ClusterNode } from '../harness/clusternode.ts';
import { eventually } from '../harness/eventually.ts';
import { imageListPath, installEraserObjects } from '../harness/imagelistagents.ts';
import { kubectl } from '../harness/kubectl.ts';
import { ControlPlane } from '../harness/kubernetes.ts';

/** The commands of AKS's documentation of Image Cleaner, typed with kubectl, beside an agent in a process of its own. */

const alpine = 'docker.io/library/alpine:3.7.3';
const python = 'docker.io/library/python:alpine3.18';
const other = 'registry.example/app:1';

let plane: ControlPlane;
let node: ClusterNode;
let counter = 0;

beforeAll(async () => {
  plane = await ControlPlane.launch();
  await installEraserObjects(plane.clients);
});
afterAll(async () => {
  await plane?.destroy();
});
beforeEach(async () => {
  counter += 1;
  node = await ClusterNode.create({
    clients: plane.clients,
    name: `node-${counter}`,
    cluster: { settle: '0s', namespace: 'nodetender' },
    images: { minUnused: '7d', removeUnused: false },
  });
  await node.addUnused(alpine, python, other);
});
afterEach(async () => {
  await node.dispose();
  const { api } = plane;
  await api.send('DELETE', '/apis/eraser.sh/v1/imagelists');
  await api.send('DELETE', `/api/v1/nodes/${node.name}`);
  // The agent was killed, perhaps while it held the Lease: the next would have to wait until that shows.
  await api.send('DELETE', '/apis/coordination.k8s.io/v1/namespaces/nodetender/leases');
  for (const namespace of ['kube-system', 'nodetender']) {
    await api.delete(`/api/v1/namespaces/${namespace}/configmaps/excluded`);
  }
});

async function type(...args: string[]): Promise<string> {
  return await kubectl(plane.clients, ...args);
}

async function file(name: string, text: string): Promise<string> {
  const path = join(plane.folder, name);
  await writeFile(path, text);
  return path;
}

function imageList(images: string): string {
  return `apiVersion: eraser.sh/v1
kind: ImageList
metadata:
  name: imagelist
spec:
  images:
    ${images}
`;
}

async function counted(): Promise<object> {
  return await eventually(
    'the ImageList is counted',
    async () => (await plane.api.get(imageListPath))['status'] as object | undefined,
    30_000,
  );
}

describe('an ImageList', () => {
  it('is applied, removes the image from the node, and is there afterwards with its counts', async () => {
    await node.startAgent();
    await type('apply', '-f', await file('image-list.yml', imageList(`- ${alpine}`)));
    expect(await counted()).toMatchObject({ success: 1, failed: 0, skipped: 0 });
    expect(node.images()).toEqual([python, other]);
    expect(await type('get', 'ImageList')).toMatch(/NAME +SUCCESS +FAILED +SKIPPED +DONE\nimagelist +1 +0 +0 /);
    expect(await type('describe', 'ImageList', 'imagelist')).toContain('Success:');
  });

  it('is deleted and created again to run once more', async () => {
    const path = await file('image-list.yml', imageList(`- ${alpine}`));
    await node.startAgent();
    await type('apply', '-f', path);
    await counted();
    node.store.addImage({ tags: [alpine], createdAtMs: 0 } as never);
    await type('delete', 'ImageList', 'imagelist');
    await type('apply', '-f', path);
    expect(await counted()).toMatchObject({ success: 1 });
    // Two minutes old at most: it may be about to be used.
    expect(node.images()).toContain(alpine);
  });

  it('is edited, and runs again', async () => {
    await node.startAgent();
    await type('apply', '-f', await file('image-list.yml', imageList(`- ${alpine}`)));
    await counted();
    await type('replace', '-f', await file('edited.yml', imageList(`- ${python}`)));
    await eventually('the edited list is run', () => !node.images().includes(python), 30_000);
    expect(node.images()).toEqual([other]);
  });

  it('says which entry is refused, and which image is in use', async () => {
    node.store.createContainer({ image: python });
    await node.startAgent();
    await type('apply', '-f', await file('image-list.yml', imageList(`["Not An Image", "${python}", "${alpine}"]`)));
    expect(await counted()).toMatchObject({ success: 1, failed: 0, skipped: 0 });
    expect(node.images()).toEqual([python, other]);
    await eventually('the Event on the ImageList', async () =>
      (await type('describe', 'ImageList', 'imagelist')).includes('spec.images.0: rule "Not An Image"'),
    );
    await eventually('the Event on the Node', async () =>
      (await type('describe', 'node', node.name)).includes(`names images that are in use and stay: ${python}`),
    );
  });

  it('whose images lack their dash, as in the example of kubectl edit, is refused by the API server, which names the field', async () => {
    const path = await file('no-dash.yml', imageList(python));
    await expect(type('apply', '-f', path)).rejects.toThrow('spec.images');
  });
});

describe('an exclusion list', () => {
  it('is made of a file and labelled, and what it names stays', async () => {
    const sample = await file('sample.json', '{"excluded": ["docker.io/library/*", "excluded-image-name"]}');
    await node.startAgent();
    await type('create', 'configmap', 'excluded', `--from-file=${sample}`, '--namespace=kube-system');
    await type('label', 'configmap', 'excluded', 'eraser.sh/exclude.list=true', '-n', 'kube-system');
    await eventually('the list is in force', () => node.agent.records.length > 0);
    await new Promise((done) => setTimeout(done, 1_000));
    await type('apply', '-f', await file('image-list.yml', imageList('- "*"')));
    expect(await counted()).toMatchObject({ success: 1, failed: 0 });
    expect(node.images()).toEqual([alpine, python]);
  });

  it('that is broken from the beginning lets nothing go, and the Node says so', async () => {
    const sample = await file('sample.json', '{"excluded": ["docker.io/library/*"');
    await type('create', 'configmap', 'excluded', `--from-file=${sample}`, '--namespace=nodetender');
    await type('label', 'configmap', 'excluded', 'eraser.sh/exclude.list=true', '-n', 'nodetender');
    await node.startAgent();
    const status = (): Promise<string | undefined> => node.annotation('nodetender.dev/status');
    await eventually('the status names it', async () => (await status())?.includes('nodetender/excluded'), 20_000);
    await eventually('an Event names it', async () =>
      (await type('describe', 'node', node.name)).includes(
        'exclusion list nodetender/excluded is refused: sample.json',
      ),
    );
    await type('apply', '-f', await file('image-list.yml', imageList('- "*"')));
    await node.annotate({ 'nodetender.dev/clean': 'now' });
    await new Promise((done) => setTimeout(done, 2_000));
    expect(node.images()).toEqual([alpine, python, other]);
    await type('delete', 'configmap', 'excluded', '-n', 'nodetender');
    expect(await counted()).toMatchObject({ success: 1 });
    expect(node.images()).toEqual([]);
  });
});
