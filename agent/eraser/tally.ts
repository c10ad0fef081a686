import type { ImageListResult, ImageListResults } from '../cluster/records.ts';
import { type FilteredNode, type NodeFilter, whySkipped } from '../node/filter.ts';
import { isResultOf } from './run.ts';

/** What is kept of every Node, of its metadata alone. */
export interface ReportedNode extends FilteredNode {
  readonly name: string;
  /** Stands for its UID: a node made again under an old name is another one. */
  readonly key: string;
  /** RFC 3339, the API server's clock. */
  readonly createdAt: string;
  /** What the node has reported of each ImageList; empty where that cannot be read. */
  readonly results: ImageListResults;
}

/** The nodes of a run as they were when it began, by their keys. */
export interface Roster {
  readonly nodes: ReadonlySet<string>;
  /** Those of them on which nothing is run. */
  readonly skipped: ReadonlySet<string>;
}

type Outcome = ImageListResult['outcome'];

/** Nodes by what became of the run on them. */
export interface NodeCounts {
  readonly success: number;
  readonly failed: number;
  readonly skipped: number;
}

export interface Tally extends NodeCounts {
  /** Not heard of yet. */
  readonly pending: number;
  /** Reports by node, those of nodes that have left since included. */
  readonly reports: ReadonlyMap<string, Outcome>;
}

export function rosterOf(nodes: readonly ReportedNode[], filter: NodeFilter): Roster {
  return {
    nodes: new Set(nodes.map(({ key }) => key)),
    skipped: new Set(nodes.filter((node) => whySkipped(node, filter) !== undefined).map(({ key }) => key)),
  };
}

/** Counts every node of the roster exactly once. `before` are the reports of the tally before. */
export function tally(
  roster: Roster,
  nodes: readonly ReportedNode[],
  list: { readonly name: string; readonly uid: string; readonly generation: number },
  before: ReadonlyMap<string, Outcome>,
): Tally {
  const reports = new Map(before);
  const present = new Set<string>();
  for (const { key, results } of nodes) {
    if (!roster.nodes.has(key)) continue;
    present.add(key);
    const result = results.get(list.name);
    if (isResultOf(result, list)) reports.set(key, result.outcome);
  }
  const counts = { success: 0, failed: 0, skipped: 0, pending: 0 };
  for (const key of roster.nodes) {
    // What a node says of itself wins over what was foreseen; one that left without a word was not cleaned.
    const foreseen = roster.skipped.has(key) ? 'skipped' : present.has(key) ? 'pending' : 'failed';
    counts[reports.get(key) ?? foreseen] += 1;
  }
  return { ...counts, reports };
}

/** What is written in the end: who has not reported in time has failed. */
export function closed({ success, failed, skipped, pending }: Tally): NodeCounts {
  return { success, failed: failed + pending, skipped };
}
