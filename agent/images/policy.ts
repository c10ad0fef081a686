import { isNameless } from './inventory.ts';
import type { ImageRecord, Inventory, UnresolvedUse } from './inventory.ts';
import { keepMatches, removeMatches, RuleIndex } from './matching.ts';
import { newestTags } from './newest.ts';
import type { NewestTag, NewestTagsRule } from './newest.ts';
import type { Decision, KeepCode, KeepDecision, Plan, RemoveCode, RemoveDecision } from './plan.ts';
import { subjectOf } from './references.ts';
import type { NamedSubject } from './references.ts';
import type { Rule } from './rules.ts';
import { systemRules } from './system.ts';
import { bytesInWords, durationInWords, plural, userInWords, usersInWords } from './wording.ts';

/** What may go and what must stay. Times in milliseconds, sizes in bytes. */
export interface Policy {
  /** An image must have been out of use for at least this long. Remove rules, requests and orphans do not wait for it. */
  readonly minUnusedMs: number;
  /** Nothing goes that was first seen less than this ago, whoever asks: an image is pulled before its container is made. */
  readonly floorMs: number;
  /** False: only what a remove rule or a request names goes, and orphans where `removeOrphans` says so. */
  readonly removeUnused: boolean;
  readonly keep: readonly Rule[];
  readonly remove: readonly Rule[];
  /** A person's patterns: only what they match goes, orphans included. Undefined when nobody asked for anything in particular. */
  readonly requested: readonly Rule[] | undefined;
  /** Keep what was there when the node was first looked at. */
  readonly keepPreloaded: boolean;
  readonly keepNewestTags: readonly NewestTagsRule[];
  readonly keepSystemImages: boolean;
  /** True: records without any name go once they are `orphanAfterMs` old. False: they wait like every unused image. */
  readonly removeOrphans: boolean;
  /** How long an image must have been seen nameless before it is an orphan: during removals images are so for a moment. */
  readonly orphanAfterMs: number;
  /** What one run may remove at most; undefined is unlimited. */
  readonly budget: Budget;
}

interface Budget {
  readonly images: number | undefined;
  readonly bytes: number | undefined;
}

/**
 * Decides for every image of the inventory whether it stays or goes, and why. The reasons to stay are asked in the order of
 * KeepCode; what goes is ordered by the time out of use, longest first, then by ID.
 *
 * Comparisons are written so that a time or size that is no number keeps the image.
 */
export function plan(inventory: Inventory, policy: Policy, nowMs: number): Plan {
  const [unresolved] = inventory.unresolved;
  if (unresolved) return keepEverything(inventory, unresolved, nowMs);

  const context = prepare(inventory, policy, nowMs);
  const kept: KeepDecision[] = [];
  const removable: RemoveDecision[] = [];
  inventory.images.forEach((image, at) => {
    const decision = decide(image, context.subjects?.[at], context);
    if (decision.verdict === 'keep') kept.push(decision);
    else removable.push(decision);
  });
  removable.sort((a, b) => idleSinceMs(a.image) - idleSinceMs(b.image) || (a.image.id < b.image.id ? -1 : 1));
  const { remove, over } = spend(policy.budget, removable);
  return { plannedAtMs: nowMs, keep: [...kept, ...over], remove };
}

interface Why<C> {
  readonly code: C;
  readonly reason: string;
}

/** The policy, prepared once for all images. */
interface Context {
  readonly policy: Policy;
  readonly nowMs: number;
  readonly keep: RuleIndex;
  readonly remove: RuleIndex;
  readonly requested: RuleIndex | undefined;
  /** Of all images, where some rule needs those of all: elsewhere images in use need none. */
  readonly subjects: readonly NamedSubject[] | undefined;
  readonly newest: ReadonlyMap<ImageRecord, NewestTag> | undefined;
}

const systemIndex = new RuleIndex(systemRules, keepMatches);

function prepare({ images }: Inventory, policy: Policy, nowMs: number): Context {
  const subjects = policy.keepNewestTags.length > 0 ? images.map(subjectOf) : undefined;
  return {
    policy,
    nowMs,
    keep: new RuleIndex(policy.keep, keepMatches),
    remove: new RuleIndex(policy.remove, removeMatches),
    requested: policy.requested && new RuleIndex(policy.requested, removeMatches),
    subjects,
    newest: subjects && newestTags(images, subjects, policy.keepNewestTags),
  };
}

function keepEverything({ images }: Inventory, { reference, user, why }: UnresolvedUse, nowMs: number): Plan {
  const reason = `${userInWords(user, JSON.stringify(reference))}, and which image that is could not be found out: ${why}`;
  const keep = images.map((image) => ({ image, verdict: 'keep', code: 'unknown-use', reason }) as const);
  return { plannedAtMs: nowMs, keep, remove: [] };
}

/** All but the budget, which needs the others' decisions. */
function decide(image: ImageRecord, known: NamedSubject | undefined, context: Context): Decision {
  const needed = whyNeeded(image, context.policy);
  if (needed) return { image, verdict: 'keep', code: needed.code, reason: needed.reason };
  const subject = known ?? subjectOf(image);
  const kept = whyKept(image, subject, context) ?? whyTooNew(image, context);
  if (kept) return { image, verdict: 'keep', code: kept.code, reason: kept.reason };
  const goes = whySelected(image, subject, context);
  if (!goes) return { image, verdict: 'keep', code: 'not-selected', reason: notSelectedInWords(context) };
  const waits = whyNotYet(image, goes, context);
  if (waits) return { image, verdict: 'keep', code: waits.code, reason: waits.reason };
  return { image, verdict: 'remove', code: goes.code, reason: goes.reason };
}

function whyNeeded({ users, pinned }: ImageRecord, policy: Policy): Why<KeepCode> | undefined {
  const user = users[0];
  if (user && user.kind !== 'runtime') return { code: 'in-use', reason: usersInWords(user, users.length - 1) };
  if (user && policy.keepSystemImages) return { code: 'system', reason: userInWords(user) };
  return pinned ? { code: 'pinned', reason: 'the container runtime pins it' } : undefined;
}

/** What the configuration protects, whatever the image's age. */
function whyKept(image: ImageRecord, subject: NamedSubject, context: Context): Why<KeepCode> | undefined {
  const { policy } = context;
  const system = policy.keepSystemImages ? systemIndex.firstMatch(subject) : undefined;
  if (system) return { code: 'system', reason: `nodes need it: it matches ${system.text} of the built-in list` };
  const rule = context.keep.firstMatch(subject);
  if (rule) return { code: 'keep-rule', reason: `keep rule ${JSON.stringify(rule.text)} matches it` };
  if (policy.keepPreloaded && image.preloaded) {
    return { code: 'preloaded', reason: 'it was there when this node was first looked at' };
  }
  const newest = context.newest?.get(image);
  return newest && { code: 'newest-tag', reason: newestTagInWords(newest) };
}

function newestTagInWords({ tag, repository, count }: NewestTag): string {
  const place = count === 1 ? 'the newest tag' : `one of the ${count} newest tags`;
  return `${tag} is ${place} of ${repository}`;
}

function whyTooNew(image: ImageRecord, { policy, nowMs }: Context): Why<KeepCode> | undefined {
  const ageMs = nowMs - image.firstSeenMs;
  if (ageMs < 0) return { code: 'just-appeared', reason: 'by the clock of this node it is yet to be seen' };
  if (!(ageMs >= policy.floorMs)) {
    return {
      code: 'just-appeared',
      reason: `${firstSeenInWords(ageMs)}, limit ${durationInWords(policy.floorMs)}`,
    };
  }
  if (isNameless(image) && !isOrphan(image, policy, nowMs)) {
    const reason = `it has no name, and may get one: an orphan is nameless for ${durationInWords(policy.orphanAfterMs)}`;
    return { code: 'nameless-recently', reason };
  }
  return undefined;
}

/** What asks for the image's removal; undefined when nothing does. */
function whySelected(image: ImageRecord, subject: NamedSubject, context: Context): Why<RemoveCode> | undefined {
  const { policy, nowMs } = context;
  if (context.requested) {
    const request = context.requested.firstMatch(subject);
    return request && { code: 'requested', reason: `${JSON.stringify(request.text)} asks for it and nothing uses it` };
  }
  const rule = context.remove.firstMatch(subject);
  if (rule) return { code: 'remove-rule', reason: `remove rule ${JSON.stringify(rule.text)} matches it` };
  if (policy.removeOrphans && isNameless(image)) {
    const namelessMs = nowMs - (image.namelessSinceMs ?? nowMs);
    return { code: 'orphan', reason: `it has had neither tag nor digest for ${durationInWords(namelessMs)}` };
  }
  return policy.removeUnused ? { code: 'unused', reason: idleInWords(image, context) } : undefined;
}

function notSelectedInWords({ requested }: Context): string {
  return requested ? 'no pattern asks for it' : 'no remove rule matches it, and removeUnused is false';
}

/** What makes an image that would go wait for a later run. */
function whyNotYet(image: ImageRecord, goes: Why<RemoveCode>, context: Context): Why<KeepCode> | undefined {
  const { policy, nowMs } = context;
  if (goes.code === 'unused' && !(nowMs - idleSinceMs(image) >= policy.minUnusedMs)) {
    return { code: 'used-recently', reason: idleInWords(image, context) };
  }
  if (image.failure && !(nowMs >= image.failure.retryAtMs)) {
    const { count, retryAtMs, message } = image.failure;
    const wait = durationInWords(retryAtMs - nowMs);
    return { code: 'backing-off', reason: `${plural(count, 'removal')} failed, next try in ${wait}: ${message}` };
  }
  return undefined;
}

/**
 * Takes from the front of the line what the budget pays for. An image too large for what is left is passed over, and smaller
 * ones behind it still go: one larger than the whole budget would otherwise end all cleaning.
 */
function spend(
  budget: Budget,
  removable: readonly RemoveDecision[],
): { remove: RemoveDecision[]; over: KeepDecision[] } {
  const remove: RemoveDecision[] = [];
  const over: KeepDecision[] = [];
  let bytes = 0;
  for (const decision of removable) {
    const { image } = decision;
    if (budget.images !== undefined && !(remove.length < budget.images)) {
      const reason = `the budget of ${plural(budget.images, 'image')} for one run is spent`;
      over.push({ image, verdict: 'keep', code: 'over-budget', reason });
    } else if (budget.bytes !== undefined && !(bytes + image.sizeBytes <= budget.bytes)) {
      const reason = `its ${bytesInWords(image.sizeBytes)} do not fit into what is left of the budget of ${bytesInWords(budget.bytes)} for one run`;
      over.push({ image, verdict: 'keep', code: 'over-budget', reason });
    } else {
      bytes += image.sizeBytes;
      remove.push(decision);
    }
  }
  return { remove, over };
}

function isOrphan(image: ImageRecord, policy: Policy, nowMs: number): boolean {
  return image.namelessSinceMs !== undefined && nowMs - image.namelessSinceMs >= policy.orphanAfterMs;
}

/** Since when nothing uses the image, as far as is known: its last use, or the first look at it. */
function idleSinceMs({ firstSeenMs, lastUsedMs }: ImageRecord): number {
  return lastUsedMs === undefined ? firstSeenMs : Math.max(firstSeenMs, lastUsedMs);
}

function idleInWords(image: ImageRecord, { policy, nowMs }: Context): string {
  const idleMs = nowMs - idleSinceMs(image);
  const words = image.lastUsedMs === undefined ? neverUsedInWords(idleMs) : `unused for ${durationInWords(idleMs)}`;
  return policy.minUnusedMs > 0 ? `${words}, limit ${durationInWords(policy.minUnusedMs)}` : words;
}

/** Where nobody has looked before, nobody can say "never": all that is known is that nothing uses it at this moment. */
function neverUsedInWords(ageMs: number): string {
  const words = isJustNow(ageMs) ? 'nothing uses it now' : 'never used';
  return `${words}, ${firstSeenInWords(ageMs)}`;
}

function firstSeenInWords(ageMs: number): string {
  return isJustNow(ageMs) ? 'seen for the first time just now' : `first seen ${durationInWords(ageMs)} ago`;
}

/** What would read as 0 seconds. */
function isJustNow(ageMs: number): boolean {
  return !(ageMs >= 1000);
}
