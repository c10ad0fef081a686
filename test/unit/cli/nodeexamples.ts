import { type NodeView, viewOfNode } from '../../../agent/cluster/node.ts';
import { encodeLastClean, encodeStatus, type LastClean, type NodeStatus } from '../../../agent/cluster/records.ts';

/** Annotations of a Node, by their names after `nodetender.dev/`; records are given as what they say. */
interface Annotations {
  readonly clean?: string;
  readonly 'clean-handled'?: string;
  readonly hold?: string;
  readonly status?: Partial<NodeStatus> | string;
  readonly 'last-clean'?: Partial<LastClean> | string;
}

/** A Node whose agent is idle and has never cleaned, but for what is given. */
export function node(annotations: Annotations = {}, view: Partial<NodeView> = {}): NodeView {
  const { status = {}, 'last-clean': lastClean, ...plain } = annotations;
  const values = Object.entries({
    ...plain,
    status: typeof status === 'string' ? status : encodeStatus({ ...idle, ...status }),
    ...(lastClean === undefined
      ? {}
      : { 'last-clean': typeof lastClean === 'string' ? lastClean : encodeLastClean({ ...cleaned, ...lastClean }) }),
  });
  return { ...strangeNode(Object.fromEntries(values)), ...view };
}

/** A Node that no agent of ours has ever seen. */
export function strangeNode(annotations: Readonly<Record<string, string>> = {}): NodeView {
  const keys = Object.entries(annotations).map(([name, value]) => [`nodetender.dev/${name}`, value]);
  return viewOfNode({
    metadata: { name: 'web-1', uid: 'uid-1', resourceVersion: '1', annotations: Object.fromEntries(keys) },
    status: { conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-03-01T00:00:00Z' }] },
  });
}

export const idle: NodeStatus = {
  version: '1.2.3',
  state: 'idle',
  images: 120,
  imageBytes: 40 * 1024 ** 3,
  diskUsedPercent: 61.4,
  nextRunAt: '2026-03-08T12:00:00Z',
  waiting: null,
};

export const cleaned: LastClean = {
  request: null,
  trigger: 'annotation',
  dryRun: false,
  startedAt: '2026-03-01T10:00:00Z',
  durationSeconds: 4.25,
  outcome: 'done',
  error: null,
  removed: 12,
  failed: 0,
  skipped: 0,
  kept: { 'in-use': 30 },
  estimatedFreedBytes: 3 * 1024 ** 3,
  measuredFreedBytes: 2 * 1024 ** 3,
  images: ['registry.example/app:1'],
};
