import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { systemClock } from '../../agent/clock.ts';
import { History } from '../../agent/images/history.ts';
import { AgentProcess } from '../harness/agentprocess.ts';
import { type Generation, generations } from '../harness/components.ts';
import { Containerd, type Template } from '../harness/containerd.ts';
import { eventually } from '../harness/eventually.ts';
import { asPulled, ImageBatch, importPause, type MadeImage } from '../harness/images.ts';
import { runPodWith } from '../harness/pods.ts';
import { Chance } from '../sim/random.ts';
import { readTruth, truthOf } from '../harness/truth.ts';
import { writeWatchedHistory } from '../harness/watchedhistory.ts';

const KILLS_PER_GENERATION = 25;
const UNUSED_IMAGES = 150;
const DAY_MS = 24 * 3_600_000;
/**
 * Longer than the minute after which a record without a name is an orphan; two of them longer than the first back-off of a
 * removal that was cut off (12 minutes at most); short enough for the history to count it as time that was watched.
 */
const BETWEEN_LIVES_MS = 9 * 60_000;
/** Rounding of a wall clock that two processes read. */
const CLOCK_TOLERANCE_MS = 2_000;

const paces = ['fast', 'gentle', { burst: 16, pause: '0s' }] as const;
const victims = ['agent', 'containerd', 'both'] as const;

// NODETENDER_SEED repeats what a run did, as far as processes can be made to repeat themselves.
const firstSeed = Number(process.env['NODETENDER_SEED'] ?? Date.now() % 1_000_000);
const kills = Array.from({ length: KILLS_PER_GENERATION }, (_, index) => {
  const seed = firstSeed + index;
  const chance = new Chance(seed);
  const pace = chance.pick(paces) ?? 'gentle';
  const victim = victims[index % victims.length] ?? 'agent';
  return {
    seed,
    pace,
    victim,
    gone: chance.between(0, UNUSED_IMAGES - 1),
    laterMs: chance.between(0, 30),
    downMs: chance.between(0, 500),
  };
});

describe.each(generations)('SIGKILL during a cleaning on containerd %s', (generation) => {
  let template: Template;
  let images: Images;
  let killsDuringRun = 0;

  beforeAll(async () => {
    ({ template, images } = await prepare(generation));
  });
  afterAll(async () => {
    await template?.remove();
  });

  it.each(kills)(
    `of $victim when $gone of ${UNUSED_IMAGES} images are gone at pace $pace (seed $seed): the next run completes it, and nothing is left over`,
    async ({ pace, victim, gone, laterMs, downMs }) => {
      const containerd = await Containerd.launch(generation, { storage: 'memory', template });
      const stateDirectory = await mkdtemp(join(tmpdir(), 'nodetender-state-'));
      const agents: AgentProcess[] = [];
      const live = async (life: number): Promise<AgentProcess> => {
        const agent = await AgentProcess.start({
          endpoint: containerd.endpoint,
          stateDirectory,
          images: { minUnused: '1h', keep: ['registry.example/kept'], pace },
          clockOffsetMs: life * BETWEEN_LIVES_MS,
        });
        agents.push(agent);
        return agent;
      };
      try {
        const stays = [images.pause, images.used, images.kept];
        const sinceMs = Date.now() - DAY_MS;
        await writeWatchedHistory(stateDirectory, [...stays, ...images.unused], sinceMs);
        const { containerId } = await runPodWith(containerd, 'web', { image: images.used.id, state: 'running' });

        const first = await live(0);
        await first.beginRun();
        const all = stays.length + images.unused.length;
        await eventually('so many are gone', async () => (await containerd.cri.listImages()).length <= all - gone);
        await systemClock.sleep(laterMs);
        if (!first.records.some(({ msg }) => msg === 'run ended')) killsDuringRun++;
        if (victim !== 'agent') await containerd.kill();
        if (victim !== 'containerd') await first.kill();
        await expectIntactHistory(stateDirectory, stays, sinceMs);
        if (victim !== 'agent') {
          await systemClock.sleep(downMs);
          await containerd.start();
        }
        if (victim === 'containerd') {
          await first.logged('run ended');
          await first.stop();
        }

        // The next run does what was left, the one after what then was backing off or too young to be called an orphan.
        for (const life of [1, 2]) {
          const agent = await live(life);
          expect(await agent.run()).toMatchObject({ outcome: 'done', failed: 0 });
          await agent.stop();
        }

        // Containerd collects what a crash has left by itself, some moments after its start.
        const { containers } = await readTruth(containerd);
        await eventually('containerd holds nothing that is not needed', async () => {
          expect(await readTruth(containerd)).toEqual(truthOf(stays, containers));
          return true;
        });
        expect(await containerd.cri.containerState(containerId)).toBe('CONTAINER_RUNNING');
        await expectIntactHistory(stateDirectory, stays, sinceMs);
      } catch (error) {
        throw new Error(`${agents.map((agent) => agent.tail()).join('\n\n')}\n${await containerd.logTail()}`, {
          cause: error,
        });
      } finally {
        await Promise.all(agents.map((agent) => agent.kill()));
        await containerd.destroy();
        await rm(stateDirectory, { recursive: true });
      }
    },
  );

  it('and nearly all of these kills fell into the run', () => {
    expect(killsDuringRun).toBeGreaterThanOrEqual(KILLS_PER_GENERATION * 0.8);
  });
});

interface Images {
  readonly pause: MadeImage;
  readonly used: MadeImage;
  readonly kept: MadeImage;
  readonly unused: readonly MadeImage[];
}

async function prepare(generation: Generation): Promise<{ template: Template; images: Images }> {
  const containerd = await Containerd.launch(generation, { storage: 'memory' });
  try {
    const batch = new ImageBatch(containerd);
    const named = (name: string) => batch.add({ names: asPulled(`registry.example/${name}:1`) });
    const used = named('used');
    const kept = named('kept');
    const unused = Array.from({ length: UNUSED_IMAGES }, (_, index) => named(`unused-${index}`));
    await batch.import();
    const images = { pause: await importPause(containerd), used, kept, unused };
    return { template: await containerd.saveAsTemplate(), images };
  } finally {
    await containerd.destroy();
  }
}

/** What is remembered of the images that stay is what was known before the crash, and no file had to be set aside. */
async function expectIntactHistory(directory: string, images: readonly MadeImage[], sinceMs: number): Promise<void> {
  const history = await History.open({ directory, clock: systemClock, readOnly: true });
  expect(history.origin).toBe('ok');
  for (const { id } of images) {
    expect(Math.abs(history.of(id).firstSeenMs - sinceMs)).toBeLessThan(CLOCK_TOLERANCE_MS);
  }
  expect((await readdir(directory)).filter((name) => name.includes('corrupt'))).toEqual([]);
}
