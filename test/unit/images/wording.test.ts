import { describe, expect, it } from 'vitest';
import { bytesInWords, durationInWords } from '../../../agent/images/wording.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from './examples.ts';

describe('durations in words', () => {
  it.each([
    [9 * DAY_MS, '9 days'],
    [7 * DAY_MS - 1, '6 days 23 hours'],
    [DAY_MS + HOUR_MS, '1 day 1 hour'],
    [2 * DAY_MS + 5 * MINUTE_MS, '2 days'],
    [HOUR_MS, '1 hour'],
    [90 * SECOND_MS, '1 minute 30 seconds'],
    [SECOND_MS, '1 second'],
    [999, '0 seconds'],
    [0, '0 seconds'],
    [-DAY_MS, '0 seconds'],
    [NaN, '0 seconds'],
  ])('%d ms: %s', (ms, words) => {
    expect(durationInWords(ms)).toBe(words);
  });
});

describe('sizes in words', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    [3.25 * 1024 ** 3, '3.3 GiB'],
    [2 ** 50, '1024 TiB'],
  ])('%d: %s', (bytes, words) => {
    expect(bytesInWords(bytes)).toBe(words);
  });
});
