import { expect } from 'vitest';
import type { ImageRecord, Inventory } from '../../../agent/images/inventory.ts';
import { plan } from '../../../agent/images/policy.ts';
import type { Policy } from '../../../agent/images/policy.ts';
import { parseRule } from '../../../agent/images/rules.ts';
import { NOW_MS, usualPolicy } from './examples.ts';

export function rules(...texts: string[]): Policy['keep'] {
  return texts.map((text) => parseRule(text));
}

export function inventory(images: readonly ImageRecord[]): Inventory {
  return { takenAtMs: NOW_MS, images, unresolved: [], podsUnchangedMs: 0 };
}

/** `keep pinned: the container runtime pins it` */
export function verdictOn(image: ImageRecord, policy: Partial<Policy> = {}): string {
  const { keep, remove } = plan(inventory([image]), { ...usualPolicy, ...policy }, NOW_MS);
  const [decision, ...others] = [...keep, ...remove];
  expect(others).toEqual([]);
  return decision ? `${decision.verdict} ${decision.code}: ${decision.reason}` : 'no decision';
}
