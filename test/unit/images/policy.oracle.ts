import type { ImageRecord, Inventory } from '../../../agent/images/inventory.ts';
import type { KeepCode, RemoveCode } from '../../../agent/images/plan.ts';
import { digestOf, hexFor, idOf } from './examples.ts';

/**
 * What the policy should say, worked out the slow and plain way for a small world of images and rules, and sharing no code with
 * agent/images. Names in this world are written in full, so that comparing texts is all there is to it.
 */

const APP = 'docker.io/library/app';
const APP_FOO = 'docker.io/library/app-foo';
const TEAM = 'registry.example/team/app';
const PORT = 'reg:5000/app';
const PAUSE = 'mirror.example/k8s/pause';

export const REPOSITORIES = [APP, APP_FOO, TEAM, PORT, PAUSE] as const;
export const TAGS = ['1.0.0', '1.2.0', 'v1.2.0', '1.10.0', '1.10.0-alpine', '2.0.0', 'latest', 'main'] as const;

type Test = (image: ImageRecord) => boolean;

const anyTag =
  (test: (repository: string, tag: string) => boolean): Test =>
  ({ tags }) =>
    tags.some((name) => test(name.slice(0, name.lastIndexOf(':')), name.slice(name.lastIndexOf(':') + 1)));
const anyDigest =
  (test: (repository: string, digest: string) => boolean): Test =>
  ({ digests }) =>
    digests.some((name) => test(name.slice(0, name.indexOf('@')), name.slice(name.indexOf('@') + 1)));
const either =
  (...tests: Test[]): Test =>
  (image) =>
    tests.some((test) => test(image));
const inRepository = (wanted: string): Test =>
  either(
    anyTag((repository) => repository === wanted),
    anyDigest((repository) => repository === wanted),
  );
const never: Test = () => false;

/** Rule texts with their two meanings, spelled out by hand. */
export const RULES: readonly { readonly text: string; readonly keeps: Test; readonly removes: Test }[] = [
  { text: 'app', keeps: inRepository(APP), removes: anyTag((name, tag) => name === APP && tag === 'latest') },
  { text: 'index.docker.io/app:*', keeps: inRepository(APP), removes: anyTag((name) => name === APP) },
  { text: 'docker.io/app@*', keeps: inRepository(APP), removes: anyDigest((name) => name === APP) },
  {
    text: 'app:1.2.0',
    keeps: anyTag((name, tag) => name === APP && tag === '1.2.0'),
    removes: anyTag((name, tag) => name === APP && tag === '1.2.0'),
  },
  { text: '*', keeps: () => true, removes: () => true },
  { text: 'registry.example/*', keeps: inRepository(TEAM), removes: inRepository(TEAM) },
  { text: 'registry.example/team/*', keeps: inRepository(TEAM), removes: inRepository(TEAM) },
  { text: 'registry.example/tea/*', keeps: never, removes: never },
  { text: 'reg:5000/app:*', keeps: inRepository(PORT), removes: anyTag((name) => name === PORT) },
  {
    text: 'app@>=1.2 <2',
    keeps: anyTag((name, tag) => name === APP && ['1.2.0', 'v1.2.0', '1.10.0', '1.10.0-alpine'].includes(tag)),
    removes: anyTag((name, tag) => name === APP && ['1.2.0', 'v1.2.0', '1.10.0'].includes(tag)),
  },
  { text: idOf('image 0'), keeps: ({ id }) => id === idOf('image 0'), removes: ({ id }) => id === idOf('image 0') },
  { text: hexFor('image 1').slice(0, 12), keeps: ({ id }) => id === idOf('image 1'), removes: never },
  {
    text: `app@${digestOf('image 2')}`,
    keeps: anyDigest((_name, digest) => digest === digestOf('image 2')),
    removes: anyDigest((name, digest) => name === APP && digest === digestOf('image 2')),
  },
];

export interface Case {
  readonly inventory: Inventory;
  readonly minUnusedMs: number;
  readonly floorMs: number;
  readonly removeUnused: boolean;
  readonly removeOrphans: boolean;
  readonly orphanAfterMs: number;
  readonly keepPreloaded: boolean;
  readonly keepSystemImages: boolean;
  /** Positions in RULES. */
  readonly keep: readonly number[];
  readonly remove: readonly number[];
  readonly requested: readonly number[] | undefined;
  /** How many of the newest tags of docker.io/library/app stay. */
  readonly newestApps: number;
  readonly budgetImages: number | undefined;
  readonly budgetBytes: number | undefined;
}

export interface Expected {
  readonly codes: ReadonlyMap<string, KeepCode | RemoveCode>;
  /** IDs in the order in which they go. */
  readonly removed: readonly string[];
}

export function expectedOf(test: Case, nowMs: number): Expected {
  const { images } = test.inventory;
  const codes = new Map<string, KeepCode | RemoveCode>();
  const going: ImageRecord[] = [];
  for (const image of images) {
    const code = codeOf(image, test, nowMs);
    codes.set(image.id, code);
    if (code === 'requested' || code === 'remove-rule' || code === 'orphan' || code === 'unused') going.push(image);
  }
  going.sort((a, b) => lastSignOfLife(a) - lastSignOfLife(b) || (a.id < b.id ? -1 : 1));
  const removed: string[] = [];
  let bytes = 0;
  for (const { id, sizeBytes } of going) {
    const tooMany = test.budgetImages !== undefined && removed.length + 1 > test.budgetImages;
    const tooLarge = test.budgetBytes !== undefined && bytes + sizeBytes > test.budgetBytes;
    if (tooMany || tooLarge) {
      codes.set(id, 'over-budget');
    } else {
      removed.push(id);
      bytes += sizeBytes;
    }
  }
  return { codes, removed };
}

function codeOf(image: ImageRecord, test: Case, nowMs: number): KeepCode | RemoveCode {
  const isNameless = image.tags.length === 0 && image.digests.length === 0;
  if (test.inventory.unresolved.length > 0) return 'unknown-use';
  if (image.users.length > 0) return 'in-use';
  if (image.pinned) return 'pinned';
  if (test.keepSystemImages && inRepository(PAUSE)(image)) return 'system';
  if (test.keep.some((rule) => RULES[rule]?.keeps(image))) return 'keep-rule';
  if (test.keepPreloaded && image.preloaded) return 'preloaded';
  if (isNewestApp(image, test)) return 'newest-tag';
  if (image.firstSeenMs > nowMs || image.firstSeenMs > nowMs - test.floorMs) return 'just-appeared';
  if (isNameless) {
    if (image.namelessSinceMs === undefined || image.namelessSinceMs > nowMs - test.orphanAfterMs) {
      return 'nameless-recently';
    }
  }
  const backingOff = image.failure !== undefined && image.failure.retryAtMs > nowMs;
  if (test.requested) {
    if (!test.requested.some((rule) => RULES[rule]?.removes(image))) return 'not-selected';
    return backingOff ? 'backing-off' : 'requested';
  }
  if (test.remove.some((rule) => RULES[rule]?.removes(image))) return backingOff ? 'backing-off' : 'remove-rule';
  if (isNameless && test.removeOrphans) return backingOff ? 'backing-off' : 'orphan';
  if (!test.removeUnused) return 'not-selected';
  if (lastSignOfLife(image) > nowMs - test.minUnusedMs) return 'used-recently';
  return backingOff ? 'backing-off' : 'unused';
}

function lastSignOfLife({ firstSeenMs, lastUsedMs }: ImageRecord): number {
  return lastUsedMs !== undefined && lastUsedMs > firstSeenMs ? lastUsedMs : firstSeenMs;
}

/** The ranks of TAGS by semver: 1.10.0-alpine is before 1.10.0. */
const RANKS: Readonly<Record<string, number>> = {
  '1.0.0': 1,
  '1.2.0': 2,
  'v1.2.0': 2,
  '1.10.0-alpine': 3,
  '1.10.0': 4,
  '2.0.0': 5,
};

/** Fewer than `count` places are taken by something newer: by newer versions, or for other tags by images seen later. */
function isNewestApp(image: ImageRecord, { inventory, newestApps }: Case): boolean {
  const onNode = inventory.images.flatMap((holder) =>
    holder.tags.flatMap((name) => (name.startsWith(`${APP}:`) ? [{ holder, tag: name.slice(APP.length + 1) }] : [])),
  );
  return onNode.some(({ holder, tag }) => {
    if (holder !== image) return false;
    const rank = RANKS[tag];
    if (rank !== undefined) {
      return new Set(onNode.map((other) => RANKS[other.tag] ?? 0).filter((other) => other > rank)).size < newestApps;
    }
    const seenMs = (wanted: string): number =>
      Math.max(...onNode.filter((other) => other.tag === wanted).map((other) => other.holder.firstSeenMs));
    const others = new Set(onNode.map((other) => other.tag).filter((other) => RANKS[other] === undefined));
    return [...others].filter((other) => seenMs(other) > seenMs(tag)).length < newestApps;
  });
}
