import { annotationPrefix, nodeAnnotations } from '../../../agent/cluster/names.ts';
import type { LeaseObject, NodeObject } from '../../../agent/cluster/objects.ts';

/** What is read here of a record; it may be anything. */
interface Recorded {
  readonly phase?: string;
  readonly slot?: string;
  readonly bootId?: string;
  readonly cordonedByUs?: boolean;
  readonly requestHandled?: string;
  readonly reason?: { readonly code?: string };
  readonly lastReboot?: { readonly bootId?: string };
}

/** Not by the agent's own code: it is what is on trial. */
export function recordOf({ metadata }: NodeObject): Recorded | undefined {
  const json = metadata.annotations?.[annotationPrefix + nodeAnnotations.rebootStatus];
  if (json === undefined) return undefined;
  try {
    return JSON.parse(json) as Recorded;
  } catch {
    return undefined;
  }
}

export function isHolder({ spec, metadata }: LeaseObject, { name, uid }: NodeObject['metadata']): boolean {
  return spec?.holderIdentity === name && metadata.ownerReferences?.some((owner) => owner.uid === uid) === true;
}
