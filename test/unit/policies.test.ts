import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../agent/config/load.ts';
import { parseRule } from '../../agent/images/rules.ts';
import { agentPolicy, personPolicy } from '../../agent/policies.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

function images(yaml: string) {
  return parseConfig(`images: ${yaml}`, 'a test').images;
}

const request = { patterns: [], minUnusedMs: undefined, keep: [], now: false };

describe('the policy of a run that the agent starts', () => {
  it('is the configured one, with a floor of two minutes', () => {
    const policy = agentPolicy(images('{minUnused: 3d, keep: ["a"], remove: ["b"]}'), 'schedule');
    expect(policy).toMatchObject({ minUnusedMs: 72 * HOUR_MS, floorMs: 2 * MINUTE_MS, requested: undefined });
    expect([...policy.keep, ...policy.remove].map(({ text }) => text)).toEqual(['a', 'b']);
  });

  it('waits less while the disk is too full', () => {
    const configured = images('{minUnused: 3d, disk: {startAbove: 85%, minUnused: 2h}}');
    expect(agentPolicy(configured, 'watermark').minUnusedMs).toBe(2 * HOUR_MS);
    expect(agentPolicy(configured, 'schedule').minUnusedMs).toBe(72 * HOUR_MS);
  });

  it('never waits longer because the disk is too full', () => {
    const configured = images('{minUnused: 10m, disk: {startAbove: 85%, minUnused: 2h}}');
    expect(agentPolicy(configured, 'watermark').minUnusedMs).toBe(10 * MINUTE_MS);
  });
});

describe('the policy of a person’s clean', () => {
  it('asks for no age but the floor', () => {
    expect(personPolicy(images('{minUnused: 3d}'), request)).toMatchObject({ minUnusedMs: 0, floorMs: 2 * MINUTE_MS });
  });

  it('asks for the age it is told', () => {
    expect(personPolicy(images('{}'), { ...request, minUnusedMs: 5 }).minUnusedMs).toBe(5);
  });

  it('gives up the floor only when told to', () => {
    expect(personPolicy(images('{}'), { ...request, now: true }).floorMs).toBe(0);
  });

  it('keeps what the configuration keeps, and more', () => {
    const policy = personPolicy(images('{keep: ["a"], keepPreloaded: true}'), { ...request, keep: [parseRule('b')] });
    expect(policy.keep.map(({ text }) => text)).toEqual(['a', 'b']);
    expect(policy.keepPreloaded).toBe(true);
  });

  it('removes everything unused without patterns, and only what they name with them', () => {
    expect(personPolicy(images('{}'), request).requested).toBeUndefined();
    const { requested } = personPolicy(images('{}'), { ...request, patterns: [parseRule('a:1')] });
    expect(requested?.map(({ text }) => text)).toEqual(['a:1']);
  });
});
