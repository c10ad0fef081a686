import { describe, expect, it } from 'vitest';
import { imageColumns, shortDuration } from '../../../agent/cli/columns.ts';
import { renderTable } from '../../../agent/cli/table.ts';
import type { ImageRecord } from '../../../agent/images/inventory.ts';
import type { Decision } from '../../../agent/images/plan.ts';
import { RecordedTerminal } from './terminal.ts';

const DAY_MS = 86_400_000;
const nowMs = 100 * DAY_MS;
const id = `sha256:${'0123456789abcdef'.repeat(4)}`;

function keep(record: Partial<ImageRecord>): Decision {
  const image: ImageRecord = {
    id,
    tags: ['registry.example/app:1'],
    digests: [],
    sizeBytes: 3 * 1024 ** 2,
    pinned: false,
    users: [],
    firstSeenMs: nowMs - 9 * DAY_MS,
    lastUsedMs: undefined,
    preloaded: false,
    namelessSinceMs: undefined,
    failure: undefined,
    ...record,
  };
  return { image, verdict: 'keep', code: 'pinned', reason: 'why' };
}

function lineOf(decision: Decision, options: { agesKnown?: boolean; wide?: boolean } = {}): string {
  const columns = imageColumns({ nowMs, agesKnown: true, wide: false, terminal: new RecordedTerminal(), ...options });
  return (renderTable(columns, [decision]).split('\n')[1] ?? '').replaceAll(/ +/g, ' ');
}

describe('a line of the image table', () => {
  it('shows name, short ID, size, age, last use, verdict and reason', () => {
    expect(lineOf(keep({ lastUsedMs: nowMs - DAY_MS }))).toBe(
      'registry.example/app:1 0123456789ab 3 MiB 9d 1d keep why',
    );
  });

  it('tells use at this moment from use never', () => {
    const user = { kind: 'sandbox', id: 's', pod: { namespace: 'a', name: 'b', uid: 'c' } } as const;
    expect(lineOf(keep({ users: [user], lastUsedMs: nowMs }))).toContain(' 9d now ');
    expect(lineOf(keep({}))).toContain(' 9d never ');
  });

  it('claims no ages where there is no history', () => {
    expect(lineOf(keep({}), { agesKnown: false })).toContain(' ? ? ');
  });

  it('calls an image by its digest, or else by its ID', () => {
    expect(lineOf(keep({ tags: [], digests: ['a@sha256:1'] }))).toMatch(/^a@sha256:1 /);
    expect(lineOf(keep({ tags: [] }))).toMatch(new RegExp(`^${id} `));
  });

  it('shows every name and the whole ID in wide output', () => {
    expect(lineOf(keep({ tags: ['a:1', 'a:2'], digests: ['a@sha256:1'] }), { wide: true })).toContain(
      `a:1,a:2,a@sha256:1 ${id} `,
    );
  });
});

describe('a short duration', () => {
  it.each([
    [-5, '0s'],
    [59_999, '59s'],
    [60_000, '1m'],
    [3_599_999, '59m'],
    [3_600_000, '1h'],
    [DAY_MS - 1, '23h'],
    [DAY_MS, '1d'],
    [400 * DAY_MS, '400d'],
  ])('of %i ms is %s', (ms, words) => {
    expect(shortDuration(ms)).toBe(words);
  });
});
