import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeImageLists,
  decodeLastClean,
  decodeStatus,
  encodeImageLists,
  encodeLastClean,
  encodeStatus,
  type ImageListResult,
  type LastClean,
  maxImageListsBytes,
  maxRecordBytes,
  type NodeStatus,
} from '../../../agent/cluster/records.ts';

const record: LastClean = {
  request: '2026-11-23T10:00:00Z',
  trigger: 'annotation',
  dryRun: false,
  startedAt: '2026-11-23T10:00:01.000Z',
  durationSeconds: 1.5,
  outcome: 'done',
  error: null,
  removed: 2,
  failed: 0,
  skipped: 1,
  kept: { 'in-use': 3 },
  estimatedFreedBytes: 1e9,
  measuredFreedBytes: -5,
  images: ['registry.example/a:1', 'registry.example/b:1'],
};

const status: NodeStatus = {
  version: '1.2.3',
  state: 'idle',
  images: 12,
  imageBytes: 4e9,
  diskUsedPercent: 71.5,
  nextRunAt: null,
  waiting: null,
};

const result: ImageListResult = { uid: 'u', generation: 3, outcome: 'success', at: '2026-11-23T10:00:00Z' };

describe('what is written on a Node', () => {
  it('is read back as it was', () => {
    expect(decodeLastClean(encodeLastClean(record))).toEqual({ ok: true, value: record });
    expect(decodeStatus(encodeStatus(status))).toEqual({ ok: true, value: status });
    const results = new Map([
      ['imagelist', result],
      ['other', { ...result, inUse: { count: 2, images: ['alpine:1', 'alpine:2'] } }],
    ]);
    expect(decodeImageLists(encodeImageLists(results))).toEqual({ ok: true, value: results });
  });

  it('stays within its bound: the first names are there, the request always is', () => {
    const images = Array.from({ length: 50 }, (_, index) => `registry.example/${'ä'.repeat(300)}:${index}`);
    const text = encodeLastClean({ ...record, request: 'x'.repeat(253), error: 'e'.repeat(1e6), images });
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(maxRecordBytes);
    const decoded = decodeLastClean(text);
    expect(decoded.ok && decoded.value.request).toBe('x'.repeat(253));
    expect(decoded.ok && decoded.value.images.length).toBeGreaterThan(3);
    expect(encodeStatus({ ...status, waiting: 'w'.repeat(1e6) }).length).toBeLessThan(1_000);
  });

  it('keeps the ImageLists that were handled last, where there are too many', () => {
    const results = new Map(
      Array.from({ length: 100 }, (_, index): [string, ImageListResult] => [
        `list-${index}`,
        { ...result, at: new Date(index * 1000).toISOString() },
      ]),
    );
    const text = encodeImageLists(results);
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(maxImageListsBytes);
    const decoded = decodeImageLists(text);
    const kept = decoded.ok ? [...decoded.value.keys()] : [];
    expect(kept.length).toBe(64);
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, index) => `list-${99 - index}`));
  });

  it('keeps the results of ImageLists before the names of what is in use', () => {
    const images = ['a', 'b', 'c'].map((end) => `${'x'.repeat(200)}${end}`);
    const results = new Map(
      Array.from({ length: 64 }, (_, index): [string, ImageListResult] => [
        `list-${index}`,
        { ...result, inUse: { count: 3, images } },
      ]),
    );
    const decoded = decodeImageLists(encodeImageLists(results));
    expect(decoded.ok && [...decoded.value.values()]).toEqual(Array.from({ length: 64 }, () => result));
  });

  it('may have fields of a newer agent', () => {
    const decoded = decodeStatus(JSON.stringify({ ...status, reboot: { wanted: true } }));
    expect(decoded).toEqual({ ok: true, value: status });
  });
});

describe('what somebody else wrote there', () => {
  it.each([
    ['nothing', ''],
    ['no JSON', '{'],
    ['a list', '[]'],
    ['null', 'null'],
    ['a wrong type', JSON.stringify({ ...record, removed: 'many' })],
    ['a negative count', JSON.stringify({ ...record, removed: -1 })],
    ['no time', JSON.stringify({ ...record, startedAt: 'yesterday' })],
    ['a missing field', JSON.stringify({ ...record, outcome: undefined })],
    ['too much', JSON.stringify({ ...record, images: Array.from({ length: 5_000 }, () => 'a') })],
    ['too deep', '['.repeat(4_000)],
  ])('is refused, with what is wrong in a few words: %s', (_, text) => {
    const decoded = decodeLastClean(text);
    expect(decoded.ok).toBe(false);
    expect(!decoded.ok && decoded.problem.length > 0 && decoded.problem.length <= 256).toBe(true);
  });

  it('never gets anything into the prototype', () => {
    const decoded = decodeImageLists(
      `{"__proto__": ${JSON.stringify(result)}, "constructor": ${JSON.stringify(result)}}`,
    );
    expect(Object.hasOwn(Object.prototype, 'uid')).toBe(false);
    expect(decoded.ok ? [...decoded.value.keys()] : []).not.toContain('__proto__');
  });

  it('whatever it is, is read within bounds or refused', () => {
    const damaged = fc
      .tuple(fc.nat(1_000), fc.string({ maxLength: 20 }))
      .map(([at, put]) => `${JSON.stringify(record).slice(0, at)}${put}${JSON.stringify(record).slice(at + 1)}`);
    const texts = fc.oneof(
      fc.json(),
      fc.string({ unit: 'binary' }),
      damaged,
      fc.json().map((json) => `{"a":${json}}`),
    );
    fc.assert(
      fc.property(texts, (text) => {
        for (const decode of [decodeLastClean, decodeStatus, decodeImageLists]) {
          const decoded = decode(text);
          expect(decoded.ok ? 0 : decoded.problem.length).toBeLessThanOrEqual(256);
        }
        const decoded = decodeLastClean(text);
        const again = encodeLastClean(decoded.ok ? decoded.value : record);
        expect(Buffer.byteLength(again)).toBeLessThanOrEqual(maxRecordBytes);
      }),
      { numRuns: 1_000 },
    );
  });
});
