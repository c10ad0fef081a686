import { createHash } from 'node:crypto';
import type { ImageRecord, ImageUser } from '../../../agent/images/inventory.ts';
import type { Policy } from '../../../agent/images/policy.ts';
import type { NamedImage } from '../../../agent/images/references.ts';
import type { Report } from '../../../agent/images/report.ts';

/** Values for the tests of images/: whole by default, each test sets what it is about. */

export const NOW_MS = Date.UTC(2026, 10, 22, 12);
export const SECOND_MS = 1_000;
export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

/** 64 hex digits that depend on `text` alone. */
export function hexFor(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

export function idOf(text: string): string {
  return `sha256:${hexFor(text)}`;
}

export function digestOf(text: string): string {
  return `sha256:${hexFor(`manifest of ${text}`)}`;
}

export function named(id: string, tags: readonly string[] = [], digests: readonly string[] = []): NamedImage {
  return { id, tags, digests };
}

/** A tagged image of no account, unused, seen for a month and never in use. */
export function record(name: string, fields: Partial<ImageRecord> = {}): ImageRecord {
  return {
    id: idOf(name),
    tags: [name],
    digests: [],
    sizeBytes: 1_000_000,
    pinned: false,
    users: [],
    firstSeenMs: NOW_MS - 30 * DAY_MS,
    lastUsedMs: undefined,
    preloaded: false,
    namelessSinceMs: undefined,
    failure: undefined,
    ...fields,
  };
}

export const user: ImageUser = {
  kind: 'container',
  id: hexFor('container'),
  name: 'web',
  state: 'running',
  pod: { namespace: 'shop', name: 'web-7f', uid: 'u-1' },
};

/** The defaults of the agent. */
export const usualPolicy: Policy = {
  minUnusedMs: 7 * DAY_MS,
  floorMs: 2 * MINUTE_MS,
  removeUnused: true,
  keep: [],
  remove: [],
  requested: undefined,
  keepPreloaded: false,
  keepNewestTags: [],
  keepSystemImages: true,
  removeOrphans: true,
  orphanAfterMs: MINUTE_MS,
  budget: { images: undefined, bytes: undefined },
};

/** Of a run by schedule that found nothing to do. */
export const emptyReport: Report = {
  trigger: 'schedule',
  dryRun: false,
  startedAtMs: 0,
  durationMs: 1,
  outcome: 'done',
  error: undefined,
  plan: { plannedAtMs: 0, keep: [], remove: [] },
  removed: [],
  skipped: [],
  failed: [],
  estimatedFreedBytes: 0,
  measuredFreedBytes: undefined,
};
