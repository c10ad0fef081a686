import { NodetenderError } from '../errors.ts';
import type { SelectionOptions } from './options.ts';

/** Which nodes a person means. */
export type Selection =
  | { readonly by: 'names'; readonly names: readonly string[] }
  | { readonly by: 'selector'; readonly selector: string }
  | { readonly by: 'all' };

/** Undefined where the command line names no nodes in any way. Throws `usage`. */
export function selectionOf(names: readonly string[], { selector, all }: SelectionOptions): Selection | undefined {
  const ways = Number(names.length > 0) + Number(selector !== undefined) + Number(all === true);
  if (ways > 1) throw new NodetenderError('usage', 'expected names of nodes, --selector or --all: one of them alone');
  // To kubectl an empty selector is every node; here it is most likely a variable that was never set.
  if (selector?.trim() === '') throw new NodetenderError('usage', '--selector is empty; --all is for every node');
  if (selector !== undefined) return { by: 'selector', selector };
  if (all === true) return { by: 'all' };
  return names.length > 0 ? { by: 'names', names: [...new Set(names.map(nodeName))] } : undefined;
}

/** `node/web-1`, as `-o name` prints it, is `web-1`. */
function nodeName(text: string): string {
  const name = text.replace(/^nodes?\//, '');
  // A DNS subdomain, which is what the API server takes for the name of a Node.
  if (/^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$/.test(name)) return name;
  throw new NodetenderError('usage', `"${text.slice(0, 300)}" cannot be the name of a node`);
}
