import { execFileSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';

import type { Generation } from '../harness/components.ts';
import { Containerd, type Template } from '../harness/containerd.ts';
import { asPulled, ImageBatch, type MadeImage } from '../harness/images.ts';
import { type PodStarts, podStartsDuring } from './podstarts.ts';
import { usageBetween, usageOf } from './processusage.ts';
import type { Strategy } from './strategies.ts';

const IDLE_MS = 10_000;
/** The image of the pods that are started beside the removal; every strategy leaves it. */
export const podImage = 'docker.io/bench/pod:1';

export interface RemovalResult {
  readonly generation: Generation;
  readonly strategy: string;
  readonly images: number;
  readonly filesPerImage: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly writtenBytes: number;
  readonly eventLoopDelayMs?: number;
  /** Starts of pods before and during the removal; undefined where it had the node to itself. */
  readonly pods: { readonly idle: PodStarts; readonly during: PodStarts } | undefined;
}

export interface Load {
  readonly images: number;
  readonly filesPerImage: number;
}

/** Images to remove beside the one that pods run. */
export function fill(containerd: Containerd, load: Load): Promise<readonly MadeImage[]> {
  const batch = new ImageBatch(containerd);
  const images = Array.from({ length: load.images }, (_, index) =>
    batch.add({ names: asPulled(`docker.io/bench/unused-${index}:1`), files: load.filesPerImage }),
  );
  batch.add({ names: [podImage] });
  return batch.import().then(() => images);
}

/** One removal of all `images`, with pods started beside it or alone. */
export async function measureRemoval(
  containerd: Containerd,
  load: Load,
  images: readonly MadeImage[],
  strategy: Strategy,
  besidePods: boolean,
): Promise<RemovalResult> {
  const remove = await strategy.prepare(containerd, images);
  // What the preparation left unwritten would be written during the measurement.
  execFileSync('sync');
  const idle = besidePods ? await podStartsDuring(containerd, podImage, delay(IDLE_MS)) : undefined;

  const before = usageOf(containerd.pid);
  const startedMs = performance.now();
  const removal = remove().then((told) => ({
    seconds: (performance.now() - startedMs) / 1000,
    ...usageBetween(before, usageOf(containerd.pid)),
    ...told,
  }));
  const during = besidePods ? await podStartsDuring(containerd, podImage, removal) : undefined;
  const measured = await removal;

  await expectGone(containerd, images);
  return {
    generation: containerd.generation,
    strategy: strategy.name,
    ...load,
    ...measured,
    pods: idle && during ? { idle, during } : undefined,
  };
}

/** A removal that did not remove would be the fastest. */
async function expectGone(containerd: Containerd, images: readonly MadeImage[]): Promise<void> {
  const left = new Set((await containerd.cri.listImages()).map((image) => image.id));
  const remaining = images.filter((image) => left.has(image.id)).length;
  if (remaining > 0) throw new Error(`${remaining} of ${images.length} images were not removed`);
  if (left.size !== 2) throw new Error(`${left.size} images are left where the pods' and the pause image should be`);
}

/** Measures each strategy on a copy of the same containerd, first alone and then beside pods. */
export async function measureSmallImages(
  generation: Generation,
  load: Load,
  strategies: readonly Strategy[],
  storage: 'disk' | 'memory',
): Promise<RemovalResult[]> {
  const results: RemovalResult[] = [];
  const first = await Containerd.launch(generation, { storage });
  let images: readonly MadeImage[];
  let template: Template;
  try {
    images = await fill(first, load);
    template = await first.saveAsTemplate();
  } finally {
    await first.destroy();
  }
  try {
    for (const strategy of strategies) {
      for (const besidePods of [false, true]) {
        const containerd = await Containerd.launch(generation, { storage, template });
        try {
          results.push(await measureRemoval(containerd, load, images, strategy, besidePods));
        } finally {
          await containerd.destroy();
        }
      }
    }
  } finally {
    await template.remove();
  }
  return results;
}

/** Measures each strategy beside pods. Images of many files are imported anew each time: copying them takes longer. */
export async function measureLargeImages(
  generation: Generation,
  load: Load,
  strategies: readonly Strategy[],
): Promise<RemovalResult[]> {
  const results: RemovalResult[] = [];
  for (const strategy of strategies) {
    const containerd = await Containerd.launch(generation);
    try {
      const images = await fill(containerd, load);
      results.push(await measureRemoval(containerd, load, images, strategy, true));
    } finally {
      await containerd.destroy();
    }
  }
  return results;
}
