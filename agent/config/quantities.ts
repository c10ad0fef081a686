/** Texts for amounts: `7d` of time, `5Gi` of bytes, `85%` of a disk. A text that is no such amount reads as undefined. */

// One regular expression both reads a text and stands in the JSON Schema, so it keeps to what RE2 (Helm) understands too.
/** Largest unit first, each at most once: `1h30m`, never `30m1h`. */
export const DURATION = /^(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$/;
/** As Kubernetes writes quantities: powers of 1000 (`k`, `M`, …) or of 1024 (`Ki`, `Mi`, …). */
export const SIZE = /^(\d+(?:\.\d+)?)(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$/;
export const PERCENTAGE = /^(\d+(?:\.\d+)?)%$/;

/** Longer texts are no amounts, whatever is in them. */
const MAX_LENGTH = 40;
const UNIT_MS = [86_400_000, 3_600_000, 60_000, 1000, 1];
const UNIT_BYTES: Readonly<Record<string, number>> = {
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
};

/** Milliseconds. */
export function parseDuration(text: string): number | undefined {
  const amounts = match(DURATION, text)?.slice(1);
  if (!amounts || text === '') return undefined;
  return amounts.reduce((sumMs, amount, unit) => sumMs + Number.parseInt(amount ?? '0', 10) * (UNIT_MS[unit] ?? 0), 0);
}

/** Whole bytes, rounded down. */
export function parseSize(text: string): number | undefined {
  const parts = match(SIZE, text);
  return parts && Math.floor(Number(parts[1]) * (UNIT_BYTES[parts[2] ?? ''] ?? 1));
}

/** Percent: 85 for `85%`. */
export function parsePercentage(text: string): number | undefined {
  const parts = match(PERCENTAGE, text);
  return parts && Number(parts[1]);
}

function match(pattern: RegExp, text: string): RegExpExecArray | undefined {
  return text.length > MAX_LENGTH ? undefined : (pattern.exec(text) ?? undefined);
}
