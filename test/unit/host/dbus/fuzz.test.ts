import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { decodeMessage, encodeMessage, MAX_MESSAGE_BYTES, messageLength } from '../../../../agent/host/dbus/message.ts';
import type { Value } from '../../../../agent/host/dbus/signature.ts';
import { isNodetenderError } from '../../../../agent/errors.ts';

const inhibitors: Value[] = [[['shutdown:sleep', 'APT', 'installing', 'block', 0, 4321]]];
const header = { serial: 5, replySerial: 3, sender: ':1.4', destination: ':1.7' };
const genuine: readonly Buffer[] = [
  encodeMessage({ type: 'return', ...header, signature: 'a(ssssuu)', body: inhibitors }),
  encodeMessage({ type: 'return', ...header, signature: 's', body: ['challenge'] }),
  encodeMessage({ type: 'return', ...header, signature: 'v', body: [{ signature: 'b', value: true }] }),
  encodeMessage({ type: 'error', ...header, errorName: 'org.example.Error', signature: 's', body: ['no'] }),
  encodeMessage({
    type: 'return',
    ...header,
    signature: 'a{sv}xtd',
    body: [[['k', { signature: 'ay', value: [1] }]], 1n, 2n, 0.5],
  }),
];

interface Damage {
  readonly message: Buffer;
  /** Where to write what, modulo the length. */
  readonly bytes: [number, number][];
  /** The same, at places where a length may stand. */
  readonly words: [number, number][];
  readonly cut: number | null;
}

const damage: fc.Arbitrary<Damage> = fc.record({
  message: fc.constantFrom(...genuine),
  bytes: fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }),
  words: fc.array(fc.tuple(fc.nat(), fc.constantFrom(0, 1, 7, 64, 255, 0x7f_ff_ff_ff, 0xff_ff_ff_ff)), {
    maxLength: 2,
  }),
  cut: fc.option(fc.nat()),
});

function damaged({ message, bytes, words, cut }: Damage): Buffer {
  const result = Buffer.from(message);
  for (const [at, value] of bytes) result[at % result.length] = value;
  for (const [at, value] of words) result.writeUInt32LE(value, Math.floor((at % (result.length - 3)) / 4) * 4);
  return cut === null ? result : result.subarray(0, cut % result.length);
}

/** As the connection reads: a whole message, or a wait for more, or a refusal. */
function read(bytes: Buffer): 'message' | 'more' | 'refused' {
  try {
    const length = messageLength(bytes);
    if (length === undefined || length > bytes.length) return 'more';
    decodeMessage(bytes.subarray(0, length));
    return 'message';
  } catch (error) {
    if (isNodetenderError(error, 'host/bad-response')) return 'refused';
    throw error;
  }
}

describe('a bus that sends nonsense', () => {
  it('meets refusals with a name, and neither a crash nor an endless read', () => {
    const outcomes = new Map<string, number>();
    const property = fc.property(damage, (input) => {
      const outcome = read(damaged(input));
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    });
    fc.assert(property, { numRuns: 3000 });
    // Of each kind enough to say that it was tried.
    expect(outcomes.get('message')).toBeGreaterThan(10);
    expect(outcomes.get('more')).toBeGreaterThan(100);
    expect(outcomes.get('refused')).toBeGreaterThan(500);
  });

  it('is not believed when it sends bytes at random', () => {
    const property = fc.property(fc.uint8Array({ minLength: 16, maxLength: 300 }), (bytes) => {
      expect(read(Buffer.from(bytes))).toMatch(/more|refused/);
    });
    fc.assert(property, { numRuns: 1000 });
  });

  it('does not make a small message a large one: variants in variants, arrays of nothing', () => {
    let nested: Value = 1;
    let signature = 'y';
    for (let depth = 0; depth < 100; depth += 1) {
      nested = { signature, value: nested };
      signature = 'v';
    }
    const deep = encodeMessage({ type: 'return', serial: 1, signature: 'v', body: [nested] });
    expect(read(deep)).toBe('refused');
    expect(deep.length).toBeLessThan(MAX_MESSAGE_BYTES);
  });
});
