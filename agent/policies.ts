import type { Config } from './config/load.ts';
import type { Policy } from './images/policy.ts';
import type { RunTrigger } from './images/report.ts';
import type { Rule } from './images/rules.ts';

/** Between the pull of an image and the first container made of it nothing shows that it is needed; the kubelet waits as long. */
export const FLOOR_MS = 2 * 60_000;
/** While images are removed some are seen without any name for a moment. */
const ORPHAN_AFTER_MS = 60_000;

type ImagesConfig = Config['images'];

/** The policy of a run that the agent starts by itself. */
export function agentPolicy(images: ImagesConfig, trigger: Exclude<RunTrigger, 'command'>): Policy {
  const pressed = trigger === 'watermark' ? images.disk?.minUnusedMs : undefined;
  return {
    // A disk that fills up may shorten the wait, never lengthen it.
    minUnusedMs: Math.min(images.minUnusedMs, pressed ?? Number.POSITIVE_INFINITY),
    floorMs: FLOOR_MS,
    removeUnused: images.removeUnused,
    keep: images.keep,
    remove: images.remove,
    requested: undefined,
    keepPreloaded: images.keepPreloaded,
    keepNewestTags: images.keepNewestTags,
    keepSystemImages: images.keepSystemImages,
    removeOrphans: images.removeOrphans,
    orphanAfterMs: ORPHAN_AFTER_MS,
    budget: images.budget,
  };
}

/** The policy of a run that an ImageList asks for: no minimum age beyond the floor, every other protection holds. */
export function imageListPolicy(images: ImagesConfig, requested: readonly Rule[]): Policy {
  return { ...agentPolicy(images, 'schedule'), minUnusedMs: 0, requested };
}

/** What a person asks for on the command line. */
export interface CleanRequest {
  /** Only what these match goes; empty: everything unused. */
  readonly patterns: readonly Rule[];
  /** Undefined: no minimum beyond the floor. */
  readonly minUnusedMs: number | undefined;
  /** Kept beside what the configuration keeps. */
  readonly keep: readonly Rule[];
  /** Without the floor: images pulled this moment go, too. */
  readonly now: boolean;
}

/** The policy of a `clean` that a person types: the configuration's rules, without its minimum age. */
export function personPolicy(images: ImagesConfig, request: CleanRequest): Policy {
  return {
    ...agentPolicy(images, 'schedule'),
    minUnusedMs: request.minUnusedMs ?? 0,
    floorMs: request.now ? 0 : FLOOR_MS,
    keep: [...images.keep, ...request.keep],
    // An empty list would ask for nothing at all.
    requested: request.patterns.length > 0 ? request.patterns : undefined,
  };
}
