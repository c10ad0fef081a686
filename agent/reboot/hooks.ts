import { selectorMatches } from '../node/selectors.ts';
import type { LabelSelector } from '../node/selectors.ts';
import { podNames } from './gates/pods.ts';
import type { GatePod } from './gates/pods.ts';
import type { Blocker } from './state.ts';

/** Who is asked before or after a reboot. */
export interface Voters {
  /** Keys of annotations of the Node; `true` is a yes, anything else is none yet. */
  readonly annotations: readonly string[];
  /** Of each there must be a pod on this node; being Ready is its yes, so that a readiness probe is all a voter needs. */
  readonly pods: readonly LabelSelector[];
}

/** What has been heard. Undefined: not known, which is no yes. */
export interface Votes {
  readonly annotations: ReadonlyMap<string, string> | undefined;
  readonly pods: readonly GatePod[] | undefined;
}

const YES = 'true';

/** Who has not said yes; empty: all have. The machine says how long it waits for them. */
export function votesMissing(voters: Voters, votes: Votes): Blocker[] {
  return [
    ...voters.annotations.flatMap((key) => missingAnnotation(key, votes.annotations)),
    ...voters.pods.flatMap((selector) => missingPod(selector, votes.pods)),
  ];
}

/**
 * Votes to be taken off the Node in the patch that begins the asking (the cordon, or the record of a proven reboot): a yes that
 * is left of the reboot before would count for this one.
 */
export function staleVotes({ annotations: keys }: Voters, annotations: ReadonlyMap<string, string>): string[] {
  return keys.filter((key) => annotations.has(key));
}

function missingAnnotation(key: string, annotations: Votes['annotations']): Blocker[] {
  const value = annotations?.get(key);
  if (value === YES) return [];
  const found = annotations ? (value === undefined ? 'is not there' : `is not "${YES}"`) : 'is not known';
  return [{ gate: key, reason: `the annotation ${key} of the Node ${found}` }];
}

function missingPod(selector: LabelSelector, pods: Votes['pods']): Blocker[] {
  const gate = selector.text;
  if (!pods) return [{ gate, reason: 'the pods of this node are not known' }];
  // One that ends answers for a round that is over, or for nobody.
  const voters = pods.filter((pod) => !pod.terminating && selectorMatches(selector, pod.labels));
  if (voters.length === 0) return [{ gate, reason: `no pod on this node is selected by ${gate}` }];
  const silent = voters.filter(({ ready }) => !ready);
  return silent.length === 0 ? [] : [{ gate, reason: `not Ready: ${podNames(silent)}` }];
}
