import type { Blocker } from '../state.ts';
import { listed } from './pods.ts';
import type { Sample } from './samples.ts';

/** Which alerts block a reboot. */
export interface AlertFilter {
  /** Names that do not block. */
  readonly ignore: RegExp | undefined;
  /** Names that alone block. Without it every name does, but for those of the chart's own alerts. */
  readonly only: RegExp | undefined;
  /** Whether pending alerts do not block. */
  readonly firingOnly: boolean;
}

/**
 * The chart's own: they say that a roll does not go on, or that a node is not as it should be. One of them about one node would
 * keep every node from its reboot, and one about a reboot that is long pending would keep that reboot pending.
 */
const OWN_ALERTS = /^Nodetender[A-Z]/u;

/** The series in which Prometheus keeps its alerts, those that wait for their `for` (pending) and those that fire. */
export const ALERTS_QUERY = 'ALERTS';

const MAX_PATTERN_LENGTH = 1000;
/** A longer name is cut before it is matched: the time some patterns take grows with a power of the length. */
const MAX_NAME_LENGTH = 100;

/**
 * Reads a pattern for names of alerts: what RE2 and ECMAScript have in common, and `(?i)` at its beginning. Throws an Error
 * that says what is wrong with it.
 */
export function parseAlertPattern(text: string): RegExp | undefined {
  if (text === '' || text.length > MAX_PATTERN_LENGTH) return undefined;
  // Valid in both, with another meaning in each.
  if (/\[\[:\^?\w+:\]/.test(text)) throw new Error('expected a class such as [a-z], found one of the form [[:lower:]]');
  // RE2 has none of them, and they are what a match may hang on.
  if (/\(\?<?[=!]|\\[1-9]|\\k</.test(text)) throw new Error('expected no look-around and no back-reference, found one');
  if (repeatsRepetition(text))
    throw new Error('expected no repetition within a repeated group, as in (a+)+; found one');
  const ignoresCase = text.startsWith('(?i)');
  try {
    return new RegExp(ignoresCase ? text.slice('(?i)'.length) : text, ignoresCase ? 'iu' : 'u');
  } catch {
    return undefined;
  }
}

/** Matching such a pattern may take time that doubles with each letter of a name. */
function repeatsRepetition(pattern: string): boolean {
  // Without what is meant literally, and classes: only groups and repetitions are of interest.
  const bare = pattern.replaceAll(/\\./g, 'x').replaceAll(/\[[^\]]*\]/g, 'x');
  /** For each group that is open, and the pattern itself: whether something in it is repeated. */
  const open = [false];
  for (let index = 0; index < bare.length; index += 1) {
    const letter = bare.charAt(index);
    if (letter === '(') open.push(false);
    if ('*+{'.includes(letter)) open[open.length - 1] = true;
    if (letter !== ')') continue;
    const inner = open.pop() ?? false;
    if (inner && /[*+{]/.test(bare.charAt(index + 1))) return true;
    if (inner) open[open.length - 1] = true;
  }
  return false;
}

/** The alerts that block, as one blocker that names them; undefined when none does. */
export function alertsInTheWay(
  samples: readonly Sample[],
  { ignore, only, firingOnly }: AlertFilter,
): Blocker | undefined {
  const names = samples
    .filter(({ value, labels }) => value !== 0 && (!firingOnly || labels.get('alertstate') === 'firing'))
    .map(({ labels }) => (labels.get('alertname') ?? '').slice(0, MAX_NAME_LENGTH))
    .filter((name) => name !== '' && ignore?.test(name) !== true && (only?.test(name) ?? !OWN_ALERTS.test(name)));
  const distinct = [...new Set(names)].toSorted();
  if (distinct.length === 0) return undefined;
  return { gate: 'prometheus', reason: `${distinct.length === 1 ? 'alert' : 'alerts'} ${listed(distinct)}` };
}
