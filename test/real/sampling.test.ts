import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { systemClock } from '../../agent/clock.ts';
import { AgentProcess } from '../harness/agentprocess.ts';
import { generations } from '../harness/components.ts';
import { Containerd } from '../harness/containerd.ts';
import { asPulled, ImageBatch } from '../harness/images.ts';
import { removePod, runPodWith } from '../harness/pods.ts';
import { readTruth } from '../harness/truth.ts';
import { writeWatchedHistory } from '../harness/watchedhistory.ts';

const DAY_MS = 24 * 3_600_000;
const POD_LIFE_MS = 10_000;

it.each(generations)(
  'on containerd %s a pod that lived for 10 seconds between two runs has used its image',
  async (generation) => {
    const containerd = await Containerd.launch(generation, { storage: 'memory' });
    const stateDirectory = await mkdtemp(join(tmpdir(), 'nodetender-state-'));
    let agent: AgentProcess | undefined;
    try {
      const batch = new ImageBatch(containerd);
      const ran = batch.add({ names: asPulled('registry.example/ran:1') });
      const never = batch.add({ names: asPulled('registry.example/never:1') });
      await batch.import();
      await writeWatchedHistory(stateDirectory, [ran, never], Date.now() - DAY_MS);
      agent = await AgentProcess.start({
        endpoint: containerd.endpoint,
        stateDirectory,
        images: { minUnused: '1h', sampleEvery: '10s' },
      });

      const pod = await runPodWith(containerd, 'short', { image: ran.id, state: 'running' });
      await systemClock.sleep(POD_LIFE_MS);
      await removePod(containerd, pod);

      expect(await agent.run()).toMatchObject({ outcome: 'done', removed: 1 });
      const { records } = await readTruth(containerd);
      expect(records.has(ran.id)).toBe(true);
      expect(records.has(never.id)).toBe(false);
    } finally {
      await agent?.kill();
      await containerd.destroy();
      await rm(stateDirectory, { recursive: true });
    }
  },
);
