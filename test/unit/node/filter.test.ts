import { describe, expect, it } from 'vitest';

import { type NodeFilter, whyLeftOut, whySkipped } from '../../../agent/node/filter.ts';
import { parseLabelSelector } from '../../../agent/node/selectors.ts';

function filter(type: NodeFilter['type'], ...selectors: string[]): NodeFilter {
  return { type, selectors: selectors.map(parseLabelSelector) };
}

const usual = filter('exclude', 'eraser.sh/cleanup.filter');

function why(labels: Record<string, string>, by = usual, annotations: Record<string, string> = {}): string | undefined {
  return whySkipped({ labels: new Map(Object.entries(labels)), annotations: new Map(Object.entries(annotations)) }, by);
}

describe('a node that is not cleaned', () => {
  it('carries a label of the filter, whatever its value', () => {
    expect(why({ 'eraser.sh/cleanup.filter': '' })).toBe('filtered');
    expect(why({ 'eraser.sh/cleanup.filter': 'false' })).toBe('filtered');
    expect(why({ pool: 'web' })).toBeUndefined();
  });

  it('is not among those that are meant, where a filter includes', () => {
    const only = filter('include', 'pool=gpu', 'clean');
    expect(why({ pool: 'web' }, only)).toBe('filtered');
    expect(why({ pool: 'gpu' }, only)).toBeUndefined();
    expect(why({ clean: 'yes' }, only)).toBeUndefined();
  });

  it('runs Windows, or is no machine at all, also where a filter includes it', () => {
    const all = filter('include', '!nothing');
    expect(why({ 'kubernetes.io/os': 'windows' }, all)).toBe('windows');
    expect(why({ type: 'virtual-kubelet' }, all)).toBe('virtual');
    expect(why({ 'eks.amazonaws.com/compute-type': 'fargate' }, all)).toBe('virtual');
    expect(why({ 'kubernetes.io/os': 'linux', type: 'big' }, all)).toBeUndefined();
  });

  it('is held', () => {
    expect(why({}, usual, { hold: '' })).toBe('held');
    expect(why({}, usual, { 'last-clean': '{}' })).toBeUndefined();
  });
});

describe('the reason why a node is left out', () => {
  const leftOut = (by: NodeFilter, labels: Record<string, string>) => whyLeftOut(new Map(Object.entries(labels)), by);

  it('quotes the selector that excludes it', () => {
    const exclude = filter('exclude', 'spot', 'pool in (a,b)');
    expect(leftOut(exclude, { pool: 'b' })).toBe('it is selected by "pool in (a,b)"');
    expect(leftOut(exclude, { pool: 'c' })).toBeUndefined();
  });

  it('says that no selector includes it', () => {
    const include = filter('include', 'pool=gpu');
    expect(leftOut(include, {})).toBe('none of its selectors fits, and it includes those alone that one fits');
    expect(leftOut(include, { pool: 'gpu' })).toBeUndefined();
  });
});
