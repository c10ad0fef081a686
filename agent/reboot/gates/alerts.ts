import type { Blocker } from '../state.ts';
import { listed } from './pods.ts';
import type { Sample } from './samples.ts';

/** Which alerts block a reboot. */
export interface AlertFilter {
  /** Names that do not block. */
  readonly ignore: RegExp | undefined;
  /** Names that alone block. */
  readonly only: RegExp | undefined;
  /** Whether pending alerts do not block. */
  readonly firingOnly: boolean;
}

/** The series in which Prometheus keeps its alerts, those that wait for their `for` (pending) and those that fire. */
export const ALERTS_QUERY = 'ALERTS';

const MAX_PATTERN_LENGTH = 1000;
/** A longer name is cut before it is matched: the time some patterns take grows with the power of the length. */
const MAX_NAME_LENGTH = 200;

/**
 * Reads a pattern for names of alerts: what RE2 and ECMAScript have in common, and `(?i)` at its beginning. Throws an Error
 * that says what is wrong with it.
 */
export function parseAlertPattern(text: string): RegExp | undefined {
  if (text === '' || text.length > MAX_PATTERN_LENGTH) return undefined;
  // Valid in both, with another meaning in each.
  if (/\[\[:\^?\w+:\]/.test(text)) throw new Error('expected a class such as [a-z], found one of the form [[:lower:]]');
  const ignoresCase = text.startsWith('(?i)');
  try {
    return new RegExp(ignoresCase ? text.slice('(?i)'.length) : text, ignoresCase ? 'iu' : 'u');
  } catch {
    return undefined;
  }
}

/** The alerts that block, as one blocker that names them; undefined when none does. */
export function alertsInTheWay(
  samples: readonly Sample[],
  { ignore, only, firingOnly }: AlertFilter,
): Blocker | undefined {
  const names = samples
    .filter(({ value, labels }) => value !== 0 && (!firingOnly || labels.get('alertstate') === 'firing'))
    .map(({ labels }) => (labels.get('alertname') ?? '').slice(0, MAX_NAME_LENGTH))
    .filter((name) => name !== '' && ignore?.test(name) !== true && only?.test(name) !== false);
  const distinct = [...new Set(names)].toSorted();
  if (distinct.length === 0) return undefined;
  return { gate: 'prometheus', reason: `${distinct.length === 1 ? 'alert' : 'alerts'} ${listed(distinct)}` };
}
