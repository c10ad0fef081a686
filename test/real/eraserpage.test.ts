import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { DocumentedCluster, inUse } from '../harness/documentedcluster.ts';
import { eventually } from '../harness/eventually.ts';
import { imageListPath } from '../harness/imagelistagents.ts';
import { commandsOfPage, textOfPage } from '../harness/page.ts';
import { permissionsListed, permissionsUsed } from '../harness/permissions.ts';

/**
 * docs/from-eraser.md: the commands of AKS's documentation of Image Cleaner, typed line by line into a shell, on a real API
 * server with real agents on real containerds.
 */

const text = textOfPage('from-eraser.md');
const page = commandsOfPage('from-eraser.md');
const [apply = '', remove = '', edit = '', create = '', label = '', readSystem = '', ...others] =
  page.get("The documentation's commands") ?? [];
const manifest = /^```yaml\n([^]*?)^```$/m.exec(text)?.[1] ?? '';
const sample = /^Every key .*`(\{"excluded": .*\})`/m.exec(text)?.[1] ?? '';

const alpine = 'docker.io/library/alpine:3.7.3';
const python = 'docker.io/library/python:alpine3.18';
const other = 'registry.example/app:1';
const all = [alpine, python, other];
const system = new URL('../../charts/nodetender/files/system-exclusion.json', import.meta.url);

interface Counts {
  readonly timestamp: string;
  readonly success: number;
  readonly failed: number;
  readonly skipped: number;
}

let cluster: DocumentedCluster;

beforeAll(async () => {
  cluster = await DocumentedCluster.launch();
});
afterAll(async () => {
  await cluster?.dispose();
});
/** What the page applies, or the same with other images. */
async function applyList(images = `- ${alpine}`): Promise<void> {
  await cluster.type(`${apply} <<'END'\n${manifest.replace(`- ${alpine}`, images)}END`);
}

async function status(): Promise<Counts | undefined> {
  return (await cluster.plane.api.get(imageListPath))['status'] as Counts | undefined;
}

/** The status of a run later than `before`. */
async function counted(before?: Counts): Promise<Counts> {
  return await eventually(
    'the ImageList is counted',
    async () => {
      const now = await status();
      return now?.timestamp === before?.timestamp ? undefined : now;
    },
    30_000,
  );
}

function counts(success: number, failed: number, skipped: number): Counts {
  return { timestamp: expect.any(String) as string, success, failed, skipped };
}

/** Three nodes with the same images. */
function each(...images: readonly string[]): string[][] {
  return cluster.nodes.map(() => images.toSorted());
}

it('has these commands alone, of which the last two are about what there is no more', () => {
  expect([...page.keys()]).toEqual(['The move, step by step', "The documentation's commands"]);
  expect(others.map((line) => line.split(' ').slice(0, 3).join(' '))).toEqual([
    'kubectl describe configmap',
    'kubectl logs',
  ]);
});

describe('typed into a shell', () => {
  beforeEach(async () => {
    await cluster.startAgentsWith(...all);
  });
  afterEach(async () => {
    await cluster.type('kubectl annotate nodes --all nodetender.dev/hold-');
    await cluster.type('kubectl label nodes --all eraser.sh/cleanup.filter-');
    const { api } = cluster.plane;
    await api.send('DELETE', '/apis/eraser.sh/v1/imagelists');
    for (const [namespace, name] of [
      ['kube-system', 'excluded'],
      ['nodetender', 'excluded'],
      ['kube-system', 'eraser-system-exclusion'],
    ]) {
      await api.delete(`/api/v1/namespaces/${namespace}/configmaps/${name}`);
    }
  });

  describe('an ImageList', () => {
    it('is applied, removes its image from every node, and is there afterwards with its counts', async () => {
      await applyList();
      expect(await counted()).toEqual(counts(3, 0, 0));
      expect(await cluster.images()).toEqual(each(python, other));
      expect(await cluster.type('kubectl get ImageList')).toMatch(
        /NAME +SUCCESS +FAILED +SKIPPED +DONE\nimagelist +3 +0 +0 /,
      );
    });

    it('is deleted and created again, and runs once more', async () => {
      await applyList();
      await counted();
      await cluster.startAgentsWith(alpine);
      await cluster.type(remove);
      await applyList();
      expect(await counted()).toEqual(counts(3, 0, 0));
      expect(await cluster.images()).toEqual(each(python, other));
    });

    it('is edited, and runs again', async () => {
      await applyList();
      const first = await counted();
      await cluster.type(edit, { EDITOR: `sed -i 's|${alpine}|${python}|'` });
      expect(await counted(first)).toEqual(counts(3, 0, 0));
      expect(await cluster.images()).toEqual(each(other));
    });

    it('edited as in the example without a dash is refused, and the field named', async () => {
      await applyList();
      const first = await counted();
      // The editor is opened again with what the API server said. It keeps a copy of that, and gives up by changing nothing.
      const editor = join(cluster.plane.folder, 'editor');
      const script = `#!/bin/sh\ncp "$1" '${editor}.seen'\nsed -i '/^[^#]/s|  - ${alpine}|    ${python}|' "$1"\n`;
      await writeFile(editor, script, { mode: 0o700 });
      await expect(cluster.type(edit, { EDITOR: editor })).rejects.toThrow('no valid changes were saved');
      const named = /naming the field \(`([^`]+)`\)/.exec(text)?.[1];
      expect(named).toBeDefined();
      expect(await readFile(`${editor}.seen`, 'utf8')).toContain(named);
      expect(await status()).toEqual(first);
    });

    it('of everything leaves what pods use or name, and nodes that are held or filtered out', async () => {
      await cluster.type("kubectl annotate node web-2 nodetender.dev/hold='not now'");
      await cluster.type('kubectl label node db-1 eraser.sh/cleanup.filter=');
      await cluster.node('web-2').untilState('held');
      await applyList('- "*"');
      expect(await counted()).toEqual(counts(1, 0, 2));
      expect(await cluster.images()).toEqual([[], all.toSorted(), all.toSorted()]);
      await cluster.type('kubectl annotate node web-2 nodetender.dev/hold-');
      await cluster.type('kubectl label node db-1 eraser.sh/cleanup.filter-');
    });

    it('says which entry is refused, and which image is in use', async () => {
      await applyList(`- Not An Image\n    - ${inUse.running}\n    - ${alpine}`);
      expect(await counted()).toEqual(counts(3, 0, 0));
      expect(await cluster.images()).toEqual(each(python, other));
      await eventually('the Event on the ImageList', async () =>
        (await cluster.type('kubectl describe ImageList imagelist')).includes('spec.images.0: rule "Not An Image"'),
      );
      await eventually('the Event about what is in use', async () =>
        (await cluster.type('kubectl describe ImageList imagelist')).includes(
          `in use, and left: ${inUse.running} on db-1, web-1, web-2`,
        ),
      );
    });
  });

  describe('an exclusion list', () => {
    it('is made of a file and labelled, and within a second what it names stays', async () => {
      await writeFile(join(cluster.plane.folder, 'sample.json'), sample);
      await cluster.type(create);
      await cluster.type(label);
      await new Promise((done) => setTimeout(done, 1_000));
      await applyList('- "*"');
      expect(await counted()).toEqual(counts(3, 0, 0));
      expect(await cluster.images()).toEqual(each(alpine, python));
    });

    it('that is broken from the beginning lets nothing go until it is deleted, and the Node says so', async () => {
      await writeFile(join(cluster.plane.folder, 'sample.json'), sample.slice(0, -1));
      await cluster.type(create.replace('kube-system', 'nodetender'));
      await cluster.type(label.replace('kube-system', 'nodetender'));
      for (const node of cluster.nodes) {
        await eventually(
          'the status names it',
          async () => (await node.status())?.waiting?.includes('nodetender/excluded'),
          20_000,
        );
      }
      await eventually('an Event names it', async () =>
        (await cluster.type('kubectl describe node db-1')).includes(
          'exclusion list nodetender/excluded is refused: sample.json',
        ),
      );
      await applyList('- "*"');
      await cluster.node('web-1').annotate({ 'nodetender.dev/clean': 'now' });
      await new Promise((done) => setTimeout(done, 3_000));
      expect(await status()).toBeUndefined();
      expect(await cluster.images()).toEqual(each(...all));
      await cluster.type('kubectl delete configmap excluded -n nodetender');
      expect(await counted()).toEqual(counts(3, 0, 0));
      expect(await cluster.images()).toEqual(each());
    });

    it("of the system is there to be read, and its loss removes no pod's own image", async () => {
      const body = await readFile(system, 'utf8');
      await cluster.plane.api.create('/api/v1/namespaces/kube-system/configmaps', {
        metadata: { name: 'eraser-system-exclusion', labels: { 'eraser.sh/exclude.list': 'true' } },
        data: { 'system-exclusion.json': body },
      });
      expect(await cluster.type(readSystem)).toContain('"*/pause"');
      await cluster.type('kubectl delete configmap eraser-system-exclusion -n kube-system');
      await applyList('- "*"');
      expect(await counted()).toEqual(counts(3, 0, 0));
      // Throws where the pause image is gone.
      expect(await cluster.images()).toEqual(each());
    });
  });

  it('shows the version of each agent', async () => {
    for (const node of cluster.nodes) await node.untilState('idle');
    expect(
      (await cluster.type('nodetender nodes')).match(/^(web-1|web-2|db-1) +\d+\.\d+\.\d+\S* +idle /gm),
    ).toHaveLength(3);
  });
});

/** Last: it is about everything above. */
describe('the audit log', () => {
  it('holds every permission of the agent in the chart, and no other', async () => {
    expect(permissionsUsed(await cluster.requestsOf('agent'))).toEqual(permissionsListed('agent'));
  });

  it('shows that agents ask for the pods of their own nodes alone', async () => {
    const asked = (await cluster.requestsOf('agent')).filter(({ resource }) => resource === 'pods');
    const selectors = asked.map(({ uri }) => new URL(uri, 'https://server').searchParams.get('fieldSelector'));
    const own = cluster.nodes.map(({ name }) => `spec.nodeName=${name}`);
    expect(new Set(selectors)).toEqual(new Set(own));
  });
});
