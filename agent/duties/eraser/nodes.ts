import { createHash } from 'node:crypto';
import type { Clock, Random } from '../../clock.ts';
import { annotationPrefix, nodeAnnotations } from '../../cluster/names.ts';
import { type NodeObject, nodes } from '../../cluster/objects.ts';
import type { KubernetesPort } from '../../cluster/port.ts';
import { decodeImageLists } from '../../cluster/records.ts';
import { Watched } from '../../cluster/watch.ts';
import { keyLength } from '../../eraser/rosters.ts';
import type { ReportedNode } from '../../eraser/tally.ts';

export interface ReportedNodesOptions {
  readonly port: Pick<KubernetesPort, 'list' | 'watch' | 'lastHeardMs'>;
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly random: Random;
}

/** What all nodes report, for the one agent that sums it up: their metadata, a tenth of the bytes. */
export function reportedNodes(options: ReportedNodesOptions): Watched<NodeObject, ReportedNode> {
  return new Watched({ ...options, resource: nodes, scope: { metadataOnly: true }, project: viewOfReportedNode });
}

export function viewOfReportedNode({ metadata }: NodeObject): ReportedNode {
  const { name, uid, labels = {}, annotations = {}, creationTimestamp = '' } = metadata;
  const hold = annotations[`${annotationPrefix}${nodeAnnotations.hold}`];
  const results = decodeImageLists(annotations[`${annotationPrefix}${nodeAnnotations.imageList}`] ?? '{}');
  return {
    name,
    key: createHash('sha256').update(uid).digest('base64url').slice(0, keyLength),
    labels: new Map(Object.entries(labels)),
    annotations: new Map(hold === undefined ? [] : [[nodeAnnotations.hold, hold]]),
    createdAt: creationTimestamp,
    results: results.ok ? results.value : new Map(),
  };
}
