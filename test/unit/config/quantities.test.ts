import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDuration, parsePercentage, parseSize } from '../../../agent/config/quantities.ts';

const HOUR_MS = 3_600_000;

describe('a duration', () => {
  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['12h', 12 * HOUR_MS],
    ['7d', 7 * 24 * HOUR_MS],
    ['1h30m', 1.5 * HOUR_MS],
    ['1d2h3m4s5ms', 26 * HOUR_MS + 184_005],
    ['0s', 0],
    ['007s', 7000],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['', '7', 'd', '7 d', ' 7d', '7d\n', '-1h', '+1h', '1.5h', '1h1h', '30m1h', '1w', '1H', '1e3s', '٣s', 'P7D'])(
    '%j is none',
    (text) => {
      expect(parseDuration(text)).toBeUndefined();
    },
  );

  it('is put together from its units, whatever their amounts', () => {
    const amount = fc.nat({ max: 9999 });
    fc.assert(
      fc.property(amount, amount, amount, amount, amount, (d, h, m, s, ms) => {
        const expected = (((d * 24 + h) * 60 + m) * 60 + s) * 1000 + ms;
        expect(parseDuration(`${d}d${h}h${m}m${s}s${ms}ms`)).toBe(expected);
      }),
    );
  });
});

describe('a size', () => {
  it.each([
    ['0', 0],
    ['123456', 123_456],
    ['1k', 1000],
    ['2G', 2_000_000_000],
    ['1Ki', 1024],
    ['500Mi', 524_288_000],
    ['5Gi', 5_368_709_120],
    ['1.5Gi', 1_610_612_736],
    ['1.0001k', 1000],
    ['1Pi', 2 ** 50],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(['', 'Gi', '5 Gi', '-5Gi', '5GB', '5gi', '5K', '0x10', '1e9', '.5Gi', '5.', '1,5Gi', 'Infinity', 'NaN'])(
    '%j is none',
    (text) => {
      expect(parseSize(text)).toBeUndefined();
    },
  );
});

describe('a percentage', () => {
  it.each([
    ['85%', 85],
    ['0%', 0],
    ['12.5%', 12.5],
  ])('%s is %d percent', (text, percent) => {
    expect(parsePercentage(text)).toBe(percent);
  });

  it.each(['', '85', '0.85', '%', '85 %', '-1%', '85%%'])('%j is none', (text) => {
    expect(parsePercentage(text)).toBeUndefined();
  });
});

it('reads a text of any length in no time', () => {
  const digits = '9'.repeat(1_000_000);
  for (const parse of [parseDuration, parseSize, parsePercentage]) expect(parse(digits)).toBeUndefined();
});
