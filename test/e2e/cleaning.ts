import { describe, expect, it } from 'vitest';

import type { LastClean } from '../../agent/cluster/records.ts';
import { eventually } from '../harness/eventually.ts';
import { imageListPath } from '../harness/imagelistagents.ts';
import type { TwoNodes } from '../harness/twonodes/cluster.ts';
import { type Installation, namespace } from './installation.ts';
import type { InstalledNode } from './installednode.ts';

/** An image is left alone for two minutes after it is first seen: the second run is the one that removes it. */
export const firstSchedule = { every: '70s' };

const DEADLINE_MS = 180_000;

const stale = 'registry.example/stale:1';
const kept = 'registry.example/kept:1';
const listed = 'registry.example/listed:1';
const asked = 'registry.example/asked:1';

/** Images that nothing uses, and lists of those to keep: one that stays, and one that a test takes away. */
export async function prepareCleaning({ nodes, plane }: TwoNodes): Promise<void> {
  await Promise.all(nodes.map((node) => node.importImages(stale, kept, listed, asked)));
  await plane.api.create('/api/v1/namespaces', { metadata: { name: namespace } });
  const lists = { always: [kept], 'for-now': [listed, asked] };
  for (const [name, excluded] of Object.entries(lists)) {
    await plane.api.create(`/api/v1/namespaces/${namespace}/configmaps`, {
      metadata: { name, labels: { 'eraser.sh/exclude.list': 'true' } },
      data: { 'list.json': JSON.stringify({ excluded }) },
    });
  }
}

/** Cleaning of both nodes, in every way that starts it. First by schedule. */
export function cleaning(installation: () => Installation): void {
  describe('cleaning', () => {
    it('goes by schedule, and spares what exclusion lists name', async () => {
      for (const node of installation().nodes) {
        await untilGone(node, stale);
        expect(await node.real.imageTags()).toEqual(expect.arrayContaining([kept, listed, asked]));
        expect(await node.lastClean()).toMatchObject({ trigger: 'schedule', outcome: 'done' });
      }
    });

    it('takes up another schedule without a restart', async () => {
      const before = await installation().pods();
      await installation().upgrade({ every: '366d' });
      for (const node of installation().nodes) {
        const isTakenUp = async (): Promise<boolean> =>
          (await installation().log(node)).includes('"configuration taken up"');
        await eventually(`${node.name} has taken it up`, isTakenUp, DEADLINE_MS);
      }
      const uids = (await installation().pods()).map(({ metadata }) => metadata.uid);
      expect(uids).toEqual(before.map(({ metadata }) => metadata.uid));
    });

    it('is told by a dry run, which follows exclusion lists as they change', async () => {
      await installation().cluster.plane.api.delete(`/api/v1/namespaces/${namespace}/configmaps/for-now`);
      for (const node of installation().nodes) {
        const told = await eventually(
          `${node.name} would remove what is not excluded any more`,
          async () => {
            const result = await cleaned(node, `dry-run-${Date.now()}`);
            return result.removed === 2 ? result : undefined;
          },
          DEADLINE_MS,
        );
        expect(told).toMatchObject({ dryRun: true, images: expect.arrayContaining([listed, asked]) });
        expect(await node.real.imageTags()).toEqual(expect.arrayContaining([kept, listed, asked]));
      }
    });

    it('goes by an ImageList, which removes what it names and no more', async () => {
      const { api } = installation().cluster.plane;
      await api.create('/apis/eraser.sh/v1/imagelists', {
        apiVersion: 'eraser.sh/v1',
        kind: 'ImageList',
        metadata: { name: 'imagelist' },
        spec: { images: [listed, kept] },
      });
      const done = await eventually(
        'the ImageList says that both nodes are done',
        async () => {
          const { status } = (await api.get(imageListPath)) as { status?: object };
          return status !== undefined && 'timestamp' in status ? status : undefined;
        },
        DEADLINE_MS,
      );
      expect(done).toMatchObject({ success: 2, failed: 0, skipped: 0 });
      for (const node of installation().nodes) {
        const tags = await node.real.imageTags();
        expect(tags).not.toContain(listed);
        expect(tags).toEqual(expect.arrayContaining([kept, asked]));
      }
    });

    it('goes by an annotation, and leaves what pods use', async () => {
      for (const node of installation().nodes) {
        const done = await cleaned(node, 'now-please');
        expect(done).toMatchObject({ trigger: 'annotation', outcome: 'done', removed: 1 });
        // The pod is shown a directory of the images' file system, whatever else is written there meanwhile.
        expect(done.measuredFreedBytes).toEqual(expect.any(Number));
        const tags = await node.real.imageTags();
        expect(tags).not.toContain(asked);
        expect(tags).toEqual(expect.arrayContaining([kept, 'localhost/nodetender:test']));
      }
    });
  });
}

/** What an annotation with this value has brought about. */
async function cleaned(node: InstalledNode, request: string): Promise<LastClean> {
  await node.annotate({ 'nodetender.dev/clean': request });
  return await node.untilDone(request);
}

async function untilGone({ name, real }: InstalledNode, tag: string): Promise<void> {
  await eventually(`${tag} is gone from ${name}`, async () => !(await real.imageTags()).includes(tag), DEADLINE_MS);
}
