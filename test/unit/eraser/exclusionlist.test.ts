import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { readExclusionList } from '../../../agent/eraser/exclusionlist.ts';

function texts(data: unknown): string[] | string {
  const read = readExclusionList({ data });
  return read.ok ? read.rules.map(({ text }) => text) : read.problem;
}

describe('an exclusion list', () => {
  it('takes every form that Eraser documents, from every key that ends in .json', () => {
    const excluded = [
      'docker.io/library/*',
      'ghcr.io/eraser-dev/test:latest',
      'alpine:*',
      `app@sha256:${'0a'.repeat(32)}`,
    ];
    expect(
      texts({ 'a.json': JSON.stringify({ excluded }), 'b.json': '{"excluded": ["nginx"]}', readme: 'not {json}' }),
    ).toEqual([...excluded, 'nginx']);
  });

  it('without such a key keeps nothing, and is no mistake', () => {
    expect(texts({ 'list.yaml': 'excluded: [a]' })).toEqual([]);
    expect(texts(undefined)).toEqual([]);
    expect(texts({ 'a.json': '{"excluded": []}' })).toEqual([]);
  });

  it.each([
    ['not JSON', '{"excluded": ["nginx"', 'JSON'],
    ['without the key', '{"exclude": ["nginx"]}', 'excluded'],
    ['a list alone', '["nginx"]', 'the whole'],
    ['another type', '{"excluded": "nginx"}', 'excluded'],
    ['an entry of another type', '{"excluded": ["nginx", 7]}', 'excluded.1'],
    ['an entry that is no rule', '{"excluded": ["nginx", "No Image"]}', 'excluded.1'],
    ['null', 'null', 'the whole'],
    ['empty', '', 'JSON'],
    ['binary', '\u0000\u0001', 'JSON'],
  ])('%s is refused as a whole, by its key and field', (_, text, field) => {
    const problem = texts({ 'good.json': '{"excluded": ["alpine"]}', 'sample.json': text });
    expect(problem).toEqual(expect.stringContaining('sample.json'));
    expect(problem).toEqual(expect.stringContaining(field));
  });

  it('that is not UTF-8 is refused: the API server has it as binaryData', () => {
    expect(readExclusionList({ binaryData: { 'a.json': 'AAEC' } })).toMatchObject({
      ok: false,
      problem: expect.stringContaining('a.json'),
    });
  });

  it('of too many rules is refused', () => {
    expect(texts({ 'a.json': JSON.stringify({ excluded: Array.from({ length: 5_001 }, () => 'a') }) })).toContain(
      '5000',
    );
    const half = JSON.stringify({ excluded: Array.from({ length: 3_000 }, () => 'a') });
    expect(texts({ 'a.json': half, 'b.json': half })).toContain('5000');
  });

  it('however hostile is read or refused by its key', () => {
    const deep = fc.integer({ min: 1, max: 500 }).map((depth) => `${'['.repeat(depth)}${']'.repeat(depth)}`);
    const text = fc.oneof(
      fc.json({ maxDepth: 2 }),
      fc.string({ unit: 'binary' }),
      deep,
      fc.array(fc.string()).map((excluded) => JSON.stringify({ excluded })),
      fc.constantFrom(
        '{"__proto__":{"excluded":["*"]}}',
        '{"excluded":["*"],"__proto__":null}',
        '{"excluded":{"length":2}}',
      ),
      fc.anything({ maxDepth: 1 }),
    );
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ maxLength: 5 }), text, { maxKeys: 3 }),
        fc.anything({ maxDepth: 1 }),
        (keys, binaryData) => {
          const data = Object.fromEntries(Object.entries(keys).map(([key, value]) => [`${key}.json`, value]));
          const read = readExclusionList({ data, binaryData });
          expect(read.ok ? 'a.json' : read.problem).toContain('.json');
        },
      ),
      { numRuns: 1500 },
    );
  });
});
