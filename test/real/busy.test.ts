import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { AgentProcess } from '../harness/agentprocess.ts';
import { generations } from '../harness/components.ts';
import { Containerd } from '../harness/containerd.ts';
import { asPulled, ImageBatch, type MadeImage } from '../harness/images.ts';
import { addContainer, removePod, runPod, runPodWith } from '../harness/pods.ts';
import { readTruth } from '../harness/truth.ts';
import { writeWatchedHistory } from '../harness/watchedhistory.ts';

const DAY_MS = 24 * 3_600_000;
const registry = 'registry.example';

it.each(generations)(
  'a cleaning of containerd %s while containers start and stop and images arrive takes nothing that is needed',
  async (generation) => {
    const containerd = await Containerd.launch(generation, { storage: 'memory' });
    const stateDirectory = await mkdtemp(join(tmpdir(), 'nodetender-state-'));
    let agent: AgentProcess | undefined;
    try {
      const batch = new ImageBatch(containerd);
      const named = (name: string) => batch.add({ names: asPulled(`${registry}/${name}:1`) });
      const several = (name: string, count: number) => Array.from({ length: count }, (_, at) => named(`${name}-${at}`));
      const unused = several('unused', 300);
      const used = several('used', 5);
      const kept = several('kept', 5);
      const nameless = several('nameless', 3);
      await batch.import();
      await writeWatchedHistory(stateDirectory, [...unused, ...used, ...kept, ...nameless], Date.now() - DAY_MS);
      // Names lost a moment ago may come back: they were seen with names until now.
      await containerd.ctr('images', 'rm', ...nameless.flatMap(({ names }) => names));
      const home = await runPod(containerd, 'home');
      for (const [at, { id }] of used.entries()) {
        await addContainer(containerd, home, { name: `exited-${at}`, image: id, state: 'exited' });
      }

      // Some 20 bursts, so that a lot can happen between the first and the last.
      agent = await AgentProcess.start({
        endpoint: containerd.endpoint,
        stateDirectory,
        images: { minUnused: '1h', keep: [`${registry}/kept-*`], pace: { burst: 16, pause: '150ms' } },
      });
      await agent.beginRun();
      const ended = new AbortController();
      const [run, wanted, young, rounds] = await Promise.all([
        agent.logged('run ended').finally(() => ended.abort()),
        // Of images that go last: the order is by ID where all were unused equally long.
        startPodsOf(containerd, unused.toSorted((a, b) => (a.id < b.id ? 1 : -1)).slice(0, 8)),
        importUntil(containerd, ended.signal),
        startAndStopUntil(containerd, used, ended.signal),
      ]);

      expect(run).toMatchObject({ outcome: 'done', failed: 0 });
      expect(rounds).toBeGreaterThan(2);
      expect(young.length).toBeGreaterThan(2);
      const { records } = await readTruth(containerd);
      const missing = [...used, ...kept, ...wanted, ...young].flatMap(({ id, names }) =>
        [id, ...names].filter((name) => !records.has(name)),
      );
      expect(missing).toEqual([]);
      expect(nameless.filter(({ id }) => !records.has(id))).toEqual([]);
      // It did clean, all the while.
      const stays = new Set(wanted.map(({ id }) => id));
      expect(unused.filter(({ id }) => records.has(id) && !stays.has(id))).toEqual([]);
    } catch (error) {
      throw new Error(agent?.tail() ?? 'before the agent was started', { cause: error });
    } finally {
      await agent?.kill();
      await containerd.destroy();
      await rm(stateDirectory, { recursive: true });
    }
  },
);

/** Gives the images that now have a container. */
async function startPodsOf(containerd: Containerd, images: readonly MadeImage[]): Promise<readonly MadeImage[]> {
  for (const [at, { id }] of images.entries()) {
    await runPodWith(containerd, `late-${at}`, { image: id, state: at % 2 === 0 ? 'running' : 'created' });
  }
  return images;
}

/** Imports a few images again and again. Gives all of them. */
async function importUntil(containerd: Containerd, signal: AbortSignal): Promise<readonly MadeImage[]> {
  const imported: MadeImage[] = [];
  for (let round = 0; !signal.aborted; round++) {
    const batch = new ImageBatch(containerd);
    for (let at = 0; at < 3; at++) batch.add({ names: asPulled(`${registry}/young-${round}-${at}:1`) });
    imported.push(...(await batch.import()));
  }
  return imported;
}

/** Makes pods of these images and removes them again. Gives how often. */
async function startAndStopUntil(
  containerd: Containerd,
  images: readonly MadeImage[],
  signal: AbortSignal,
): Promise<number> {
  let round = 0;
  for (; !signal.aborted; round++) {
    const { id } = images[round % images.length] as MadeImage;
    const pod = await runPodWith(containerd, `coming-and-going-${round}`, { image: id, state: 'running' });
    await removePod(containerd, pod);
  }
  return round;
}
