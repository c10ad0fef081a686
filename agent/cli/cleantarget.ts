import { NodetenderError } from '../errors.ts';
import type { SelectionOptions } from './options.ts';
import { type Selection, selectionOf } from './selection.ts';

/** What only this node's own cleaning knows; on other nodes the configuration of their agents decides. */
const localOptions = ['runtimeEndpoint', 'config', 'stateDir', 'now', 'minUnused', 'keep', 'pace'] as const;

/** What only a request to agents knows. */
const clusterOptions = ['wait', 'timeout', 'kubeconfig', 'context', 'namespace'] as const;

export interface TargetOptions extends SelectionOptions {
  readonly node?: readonly string[];
}

/**
 * Which nodes `nodetender clean` is to ask; undefined means to clean this one itself. `given` tells whether an option
 * stands on the command line. Throws `usage` where something there goes with the other kind only.
 */
export function cleanTarget(
  patterns: readonly string[],
  options: TargetOptions,
  given: (option: string) => boolean,
): Selection | undefined {
  const selection = selectionOf(options.node ?? [], options);
  const wrong = (selection === undefined ? clusterOptions : localOptions).find(given);
  if (selection === undefined) {
    if (wrong === undefined) return undefined;
    throw new NodetenderError(
      'usage',
      `${flag(wrong)} goes with --node, --selector or --all; without one of them it is this node that is cleaned`,
    );
  }
  if (patterns.length > 0) {
    throw new NodetenderError(
      'usage',
      'patterns are for this node alone; to remove images by name from nodes of the cluster, apply an ImageList (eraser.sh/v1) that names them',
    );
  }
  if (wrong === undefined) return selection;
  throw new NodetenderError(
    'usage',
    `${flag(wrong)} is for this node alone; on nodes of the cluster the configuration of their agents decides`,
  );
}

/** `minUnused` as it is typed. */
function flag(option: string): string {
  return `--${option.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
