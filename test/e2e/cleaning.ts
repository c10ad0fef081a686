import { describe, expect, it } from 'vitest';

import { eventually } from '../harness/eventually.ts';
import { imageListPath } from '../harness/imagelistagents.ts';
import { type Installation, namespace } from './installation.ts';

const DEADLINE_MS = 120_000;
const kept = 'registry.example/excluded:1';

/** Cleaning of both nodes, in every way that starts it. The first by schedule: each minute. */
export function cleaning(installation: () => Installation): void {
  describe('cleaning', () => {
    it('goes by schedule, and spares what an exclusion list names', async () => {
      const { cluster } = installation();
      await cluster.plane.api.create(`/api/v1/namespaces/${namespace}/configmaps`, {
        metadata: { name: 'keep-these', labels: { 'eraser.sh/exclude.list': 'true' } },
        data: { 'list.json': JSON.stringify({ excluded: [kept] }) },
      });
      await importEverywhere(installation(), kept, 'registry.example/stale:1');
      await untilGone(installation(), 'registry.example/stale:1');
      for (const node of installation().nodes) {
        expect(await node.real.imageTags()).toContain(kept);
        expect(await node.lastClean()).toMatchObject({ trigger: 'schedule', outcome: 'done' });
      }
    });

    it('takes up another schedule without a restart', async () => {
      const before = await installation().pods();
      await installation().upgrade({ every: '366d' });
      for (const node of installation().nodes) {
        await eventually(
          `${node.name} has nothing to do for long`,
          async () => {
            const next = (await node.status())?.nextRunAt ?? null;
            return next !== null && Date.parse(next) > Date.now() + 86_400_000;
          },
          DEADLINE_MS,
        );
      }
      expect((await installation().pods()).map(({ metadata }) => metadata.uid)).toEqual(
        before.map(({ metadata }) => metadata.uid),
      );
    });

    it('goes by an annotation', async () => {
      await importEverywhere(installation(), 'registry.example/asked:1');
      for (const node of installation().nodes) await node.annotate({ 'nodetender.dev/clean': 'e2e-1' });
      for (const node of installation().nodes) {
        expect(await node.untilDone('e2e-1')).toMatchObject({ trigger: 'annotation', outcome: 'done' });
        const tags = await node.real.imageTags();
        expect(tags).not.toContain('registry.example/asked:1');
        expect(tags).toEqual(expect.arrayContaining([kept, 'localhost/nodetender:test']));
      }
    });

    it('goes by an ImageList, which removes what it names and no more', async () => {
      const { api } = installation().cluster.plane;
      await importEverywhere(installation(), 'registry.example/listed:1', 'registry.example/unlisted:1');
      await api.create('/apis/eraser.sh/v1/imagelists', {
        apiVersion: 'eraser.sh/v1',
        kind: 'ImageList',
        metadata: { name: 'imagelist' },
        spec: { images: ['registry.example/listed:1', kept] },
      });
      await untilGone(installation(), 'registry.example/listed:1');
      const done = await eventually(
        'the ImageList says that both nodes are done',
        async () => {
          const { status } = (await api.get(imageListPath)) as { status?: { success?: number } };
          return status?.success === 2 ? status : undefined;
        },
        DEADLINE_MS,
      );
      expect(done).toMatchObject({ success: 2, failed: 0, skipped: 0 });
      for (const node of installation().cluster.nodes) {
        expect(await node.imageTags()).toEqual(expect.arrayContaining([kept, 'registry.example/unlisted:1']));
      }
    });
  });
}

async function importEverywhere({ cluster }: Installation, ...tags: readonly string[]): Promise<void> {
  await Promise.all(cluster.nodes.map((node) => node.importImages(...tags)));
}

async function untilGone({ cluster }: Installation, tag: string): Promise<void> {
  for (const node of cluster.nodes) {
    await eventually(
      `${tag} is gone from ${node.name}`,
      async () => !(await node.imageTags()).includes(tag),
      DEADLINE_MS,
    );
  }
}
