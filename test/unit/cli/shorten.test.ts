import { assert, integer, property, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shortenEnd, shortenImageName, shortenMiddle, shortId } from '../../../agent/cli/shorten.ts';

const digest = `sha256:${'3f1c9a'.repeat(11).slice(0, 64)}`;

describe('shortening an image name', () => {
  const name = 'registry.example.com/team/backend/payments:1.2.3';

  it('leaves one that fits', () => {
    expect(shortenImageName(name, name.length)).toBe(name);
  });

  it('leaves out folders first, those next to the registry before others', () => {
    expect(shortenImageName(name, 47)).toBe('registry.example.com/…/backend/payments:1.2.3');
    expect(shortenImageName(name, 40)).toBe('registry.example.com/…/payments:1.2.3');
  });

  it('then the registry, for the last name and its tag tell most', () => {
    expect(shortenImageName(name, 30)).toBe('…/team/backend/payments:1.2.3');
    expect(shortenImageName(name, 20)).toBe('…/payments:1.2.3');
  });

  it('then the middle of the last name', () => {
    expect(shortenImageName(name, 9)).toBe('paym….2.3');
  });

  it('keeps twelve digits of a digest', () => {
    expect(shortenImageName(`example.com/app@${digest}`, 60)).toBe('example.com/app@sha256:3f1c9a3f1c9a…');
  });

  it('never exceeds the width', () => {
    assert(
      property(string(), integer({ min: 0, max: 80 }), (text, width) => {
        for (const shorten of [shortenImageName, shortenMiddle, shortenEnd]) {
          expect(shorten(text, width).length).toBeLessThanOrEqual(width);
        }
      }),
    );
  });
});

describe('shortening an ID', () => {
  it('gives the twelve digits that container tools show, with and without sha256:', () => {
    expect([shortId(digest), shortId(digest.slice(7))]).toEqual(['3f1c9a3f1c9a', '3f1c9a3f1c9a']);
  });
});

describe('shortening a sentence', () => {
  it('leaves out its end', () => {
    expect(shortenEnd('container web of pod shop/web uses it', 15)).toBe('container web…');
  });
});
