import { createHash } from 'node:crypto';

import type { ImageRecord, ImageUser, Inventory } from '../../agent/images/inventory.ts';
import { plan, type Policy } from '../../agent/images/policy.ts';
import { parseRepositoryPattern, parseRule } from '../../agent/images/rules.ts';
import { maximum, median } from './statistics.ts';

const IMAGES = 10_000;
const CONTAINERS = 2_000;
/** An agent plans before every burst: what counts is how long it takes once V8 has compiled it, and the very first time. */
const WARM_UP = 100;
const ROUNDS = 50;
const DAY_MS = 24 * 3_600_000;
const nowMs = Date.UTC(2026, 0, 1);

export interface PlanningResult {
  /** What the policy holds. */
  readonly policy: string;
  readonly images: number;
  readonly containers: number;
  /** In a process that has planned nothing before, as a short command has not. */
  readonly firstMs: number;
  readonly medianMs: number;
  readonly maxMs: number;
}

/** How long deciding takes on a node far larger than any is. */
export function measurePlanning(name: keyof typeof policies): PlanningResult {
  const inventory = largeInventory();
  const policy = policies[name];
  const durations = Array.from({ length: WARM_UP + ROUNDS }, () => {
    const startedMs = performance.now();
    const { keep, remove } = plan(inventory, policy, nowMs);
    const tookMs = performance.now() - startedMs;
    if (keep.length + remove.length !== IMAGES || remove.length < IMAGES / 4) throw new Error('not a plan to measure');
    return tookMs;
  });
  const [firstMs = Number.NaN] = durations;
  const later = durations.slice(WARM_UP);
  return {
    policy: name,
    images: IMAGES,
    containers: CONTAINERS,
    firstMs,
    medianMs: median(later),
    maxMs: maximum(later),
  };
}

/** As without any configuration. */
const byDefault: Policy = {
  minUnusedMs: 7 * DAY_MS,
  floorMs: 120_000,
  removeUnused: true,
  keep: [],
  remove: [],
  requested: undefined,
  keepPreloaded: false,
  keepNewestTags: [],
  keepSystemImages: true,
  removeOrphans: true,
  orphanAfterMs: 60_000,
  budget: { images: undefined, bytes: undefined },
};

const policies = {
  'the default policy': byDefault,
  'rules of every kind': {
    ...byDefault,
    keep: ['registry.example/base/*', 'registry.example/team-7/app-1@>=1.2 <2', 'postgres'].map(parseRule),
    remove: ['registry.example/team-3/*', 'registry.example/*:nightly'].map(parseRule),
    keepNewestTags: [{ repository: parseRepositoryPattern('registry.example/team-5/*'), count: 3 }],
  },
} satisfies Record<string, Policy>;

function largeInventory(): Inventory {
  const images = Array.from({ length: IMAGES }, (_, index): ImageRecord => {
    const hex = createHash('sha256').update(String(index)).digest('hex');
    const repository = `registry.example/team-${index % 40}/app-${index % 400}`;
    return {
      id: `sha256:${hex}`,
      tags: [`${repository}:1.${index % 60}.${index % 7}`],
      digests: [`${repository}@sha256:${hex}`],
      sizeBytes: 50_000_000 + index,
      pinned: false,
      users: [],
      firstSeenMs: nowMs - (index % 60) * DAY_MS,
      lastUsedMs: index % 3 === 0 ? nowMs - (index % 20) * DAY_MS : undefined,
      preloaded: false,
      namelessSinceMs: undefined,
      failure: undefined,
    };
  });
  for (let at = 0; at < CONTAINERS; at++) {
    const image = images[(at * 7) % 3000];
    const pod = { namespace: 'shop', name: `web-${at}`, uid: String(at) };
    const user: ImageUser = { kind: 'container', id: String(at), name: 'web', state: 'running', pod };
    if (image) images[(at * 7) % 3000] = { ...image, users: [...image.users, user] };
  }
  return { takenAtMs: nowMs, images, unresolved: [], podsUnchangedMs: 0 };
}
