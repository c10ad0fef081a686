import { describe, expect, it } from 'vitest';
import type { ImageRecord } from '../../../agent/images/inventory.ts';
import { plan } from '../../../agent/images/policy.ts';
import type { Policy } from '../../../agent/images/policy.ts';
import { parseRepositoryPattern } from '../../../agent/images/rules.ts';
import { DAY_MS, digestOf, hexFor, HOUR_MS, idOf, NOW_MS, record, SECOND_MS, user, usualPolicy } from './examples.ts';
import { inventory, rules, verdictOn } from './verdicts.ts';

/** What an image is called, or that it is called nothing, decides. */

describe('an image without a name', () => {
  const nameless = { tags: [], firstSeenMs: NOW_MS - HOUR_MS };

  it('is left alone while it may be half way through a pull or a removal', () => {
    for (const namelessSinceMs of [undefined, NOW_MS - 59 * SECOND_MS, NOW_MS + HOUR_MS]) {
      expect(verdictOn(record('x', { ...nameless, namelessSinceMs }), { requested: rules('*') })).toMatch(
        /^keep nameless-recently/,
      );
    }
  });

  it('is an orphan after a minute, and goes without waiting to be old', () => {
    const image = record('x', { ...nameless, namelessSinceMs: NOW_MS - 61 * SECOND_MS });
    expect(verdictOn(image)).toBe('remove orphan: it has had neither tag nor digest for 1 minute 1 second');
    expect(verdictOn(image, { removeUnused: false })).toMatch(/^remove orphan/);
  });

  it('waits like every unused image where orphans are not swept', () => {
    const image = record('x', { ...nameless, namelessSinceMs: NOW_MS - HOUR_MS });
    expect(verdictOn(image, { removeOrphans: false })).toMatch(/^keep used-recently/);
    expect(verdictOn({ ...image, firstSeenMs: NOW_MS - 8 * DAY_MS }, { removeOrphans: false })).toMatch(
      /^remove unused/,
    );
  });

  it('is no part of a request but by its ID or *', () => {
    const image = record('x', { ...nameless, namelessSinceMs: NOW_MS - HOUR_MS });
    expect(verdictOn(image, { requested: rules('app:*') })).toMatch(/^keep not-selected/);
    expect(verdictOn(image, { requested: rules(hexFor('x')) })).toMatch(/^remove requested/);
    expect(verdictOn(image, { requested: rules('*') })).toMatch(/^remove requested/);
    expect(verdictOn(image, { keep: rules(idOf('x')) })).toMatch(/^keep keep-rule/);
  });

  it('has a name when it is known by digest', () => {
    const image = record('x', { tags: [], digests: [`app@${digestOf('x')}`], firstSeenMs: NOW_MS - HOUR_MS });
    expect(verdictOn(image)).toMatch(/^keep used-recently/);
  });
});

describe('the newest tags of a repository stay', () => {
  const daysOld = (days: number): Partial<ImageRecord> => ({ firstSeenMs: NOW_MS - days * DAY_MS });
  const newest = (count: number, repository = 'app'): Partial<Policy> => ({
    keepNewestTags: [{ repository: parseRepositoryPattern(repository), count }],
  });

  it('by version, not by name or age', () => {
    const images = ['app:1.9.0', 'app:1.10.0', 'app:v1.2.0', 'app:2.0.0-rc.1'].map((name, n) =>
      record(name, daysOld(20 + n)),
    );
    expect(keptBy(images, newest(2))).toEqual(['app:1.10.0', 'app:2.0.0-rc.1']);
  });

  it('with an age for tags that are no versions, which take no place from those that are', () => {
    const images = [
      record('app:1.0.0', daysOld(99)),
      record('app:0.9.0', daysOld(10)),
      record('app:main', daysOld(30)),
      record('app:feature', daysOld(40)),
    ];
    expect(keptBy(images, newest(1))).toEqual(['app:1.0.0', 'app:main']);
  });

  it('and tags of equal rank stay together', () => {
    const images = ['app:1.2', 'app:v1.2.0', 'app:1.1.0', 'app:main', 'app:next'].map((name) => record(name));
    expect(keptBy(images, newest(1))).toEqual(['app:1.2', 'app:v1.2.0', 'app:main', 'app:next']);
  });

  it('of each repository that the pattern means, and of no other', () => {
    const images = ['r.io/a:1', 'r.io/a:2', 'r.io/b:1', 'r.io/team/c:1', 'q.io/a:1'].map((name) => record(name));
    expect(keptBy(images, newest(1, 'r.io/*'))).toEqual(['r.io/a:2', 'r.io/b:1', 'r.io/team/c:1']);
    expect(keptBy(images, newest(0, 'r.io/*'))).toEqual([]);
  });

  it('an image with such a tag stays whole, and one in use takes a place', () => {
    const images = [
      record('old', { tags: ['app:1.0.0', 'app:3.0.0'] }),
      record('app:2.0.0', { users: [user] }),
      record('app:1.5.0'),
    ];
    const { keep } = plan(inventory(images), { ...usualPolicy, ...newest(2) }, NOW_MS);
    expect(keep.map(({ code, image }) => [code, image.tags.length])).toEqual([
      ['newest-tag', 2],
      ['in-use', 1],
    ]);
    expect(keep[0]?.reason).toBe('3.0.0 is one of the 2 newest tags of docker.io/library/app');
  });

  it('digest-only images have no tag to be new', () => {
    expect(keptBy([record('x', { tags: [], digests: [`app@${digestOf('x')}`] })], newest(9))).toEqual([]);
  });

  function keptBy(images: readonly ImageRecord[], policy: Partial<Policy>): string[] {
    const { keep } = plan(inventory(images), { ...usualPolicy, ...policy }, NOW_MS);
    expect(new Set(keep.map(({ code }) => code))).toEqual(new Set(keep.length > 0 ? ['newest-tag'] : []));
    return keep.flatMap(({ image }) => image.tags);
  }
});

describe('images that every node needs stay', () => {
  it.each([
    'registry.k8s.io/pause:3.10',
    'k8s.gcr.io/pause:3.6',
    'k8s.gcr.io/pause-amd64:3.1',
    'gcr.io/google_containers/pause-amd64:3.0',
    'gke.gcr.io/pause:3.8',
    'mcr.microsoft.com/oss/kubernetes/pause:3.6',
    'mcr.microsoft.com/oss/v2/kubernetes/pause:3.10.1',
    'rancher/mirrored-pause:3.6',
    'docker.io/rancher/mirrored-pause:3.6',
    'registry.rancher.com/rancher/mirrored-pause:3.6',
    'k8s.gcr.io/pause-arm64:3.1',
    '602401143452.dkr.ecr.eu-west-1.amazonaws.com/eks/pause:3.5',
    'registry.aliyuncs.com/google_containers/pause:3.9',
    'registry.mirror.example:5000/k8s/pause:3.9',
    'quay.io/openshift/origin-pod:4.0',
    'registry.redhat.io/openshift4/ose-pod:v4.14',
    'ghcr.io/nodetender/nodetender:0.1.0',
  ])('%s', (name) => {
    for (const image of [
      record(name),
      record('x', { tags: [], digests: [`${name.replace(/:[^/]*$/, '')}@${digestOf(name)}`] }),
    ]) {
      expect(verdictOn(image, { minUnusedMs: 0, requested: rules('*') })).toMatch(/^keep system: nodes need it/);
      expect(verdictOn(image, { keepSystemImages: false })).toMatch(/^remove unused/);
    }
  });

  it.each(['pauser:1', 'team/unpause:1', 'pause-stop/app:1', 'team/nodetender-demo:1'])('but not %s', (name) => {
    expect(verdictOn(record(name))).toMatch(/^remove/);
  });
});
