import { readFileSync } from 'node:fs';
import { isMap, isNode, isScalar, parseDocument } from 'yaml';

const file = new URL('../../../charts/nodetender/values.yaml', import.meta.url);

/** A key of the chart's values, as its file has it. */
export interface Value {
  readonly path: string;
  /** The comment above it, in one line. */
  readonly meaning: string;
  readonly default: unknown;
  /** The keys in it, where the file names them. */
  readonly children: readonly Value[];
}

/** Mappings whose default is one, and that may have other keys all the same: Kubernetes knows them, or nobody. */
const free = new Set(['config', 'resources', 'nodeSelector', 'affinity', 'updateStrategy', 'dashboard.labels']);

/** The chart's values with their comments, in their order. */
export function chartValues(): readonly Value[] {
  return childrenOf(parseDocument(readFileSync(file, 'utf8')).contents, '');
}

/** A key and all keys in it that have no others, in their order. */
export function leaves(values: readonly Value[]): readonly Value[] {
  return values.flatMap((value) => (value.children.length > 0 ? leaves(value.children) : [value]));
}

function childrenOf(node: unknown, parent: string): readonly Value[] {
  if (!isMap(node)) return [];
  return node.items.flatMap(({ key, value }, index) => {
    if (!isScalar(key)) return [];
    const path = parent === '' ? String(key.value) : `${parent}.${String(key.value)}`;
    // The comment above the first key of a mapping is the mapping's.
    const comment = key.commentBefore ?? (index === 0 ? node.commentBefore : undefined) ?? '';
    return [
      {
        path,
        meaning: comment
          .split('\n')
          .map((line) => line.trim())
          .join(' ')
          .trim(),
        default: isNode(value) ? value.toJSON() : null,
        children: free.has(path) ? [] : childrenOf(value, path),
      },
    ];
  });
}
