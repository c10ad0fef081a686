import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { AgentProcess } from '../harness/agentprocess.ts';
import { generations } from '../harness/components.ts';
import { Containerd } from '../harness/containerd.ts';
import { asPulled, ImageBatch } from '../harness/images.ts';

/** Before memory is compared: caches fill and modules are loaded in the first rounds. */
const WARM_UP_RESTARTS = 6;
const RESTARTS = 12;
/** Less than one look at the node kept per restart would take. */
const TOLERANCE_BYTES = 500_000;

it.each(generations)('the agent outlives restarts of containerd %s and does not grow by them', async (generation) => {
  const containerd = await Containerd.launch(generation, { storage: 'memory' });
  const stateDirectory = await mkdtemp(join(tmpdir(), 'nodetender-state-'));
  let agent: AgentProcess | undefined;
  try {
    const batch = new ImageBatch(containerd);
    for (let at = 0; at < 100; at++) batch.add({ names: asPulled(`registry.example/image-${at}:1`) });
    await batch.import();
    agent = await AgentProcess.start({ endpoint: containerd.endpoint, stateDirectory, images: {} });
    const { pid } = agent;
    const footprint = async () => ({
      heapBytes: await agent?.heapBytes(),
      files: (await readdir(`/proc/${pid}/fd`)).length,
    });

    const restart = async (times: number) => {
      for (let at = 0; at < times; at++) {
        await (at % 2 === 0 ? containerd.kill() : containerd.stop());
        await containerd.start();
        // Every image is too young to go: a run looks, and that is all.
        expect(await agent?.run()).toMatchObject({ outcome: 'done', kept: 101 });
      }
    };
    await restart(WARM_UP_RESTARTS);
    const before = await footprint();
    await restart(RESTARTS);
    const after = await footprint();
    expect(after.files).toBe(before.files);
    expect(after.heapBytes).toBeLessThan((before.heapBytes ?? 0) + TOLERANCE_BYTES);
  } finally {
    await agent?.kill();
    await containerd.destroy();
    await rm(stateDirectory, { recursive: true });
  }
});
