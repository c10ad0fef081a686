import type { PodView } from '../cluster/pods.ts';
import type { Use } from '../images/gather.ts';
import { isFullImageId, parseReference } from '../images/references.ts';

/**
 * The images that pods bound to this node name, whether the runtime knows the pods already or not: an image that a pod is
 * about to start from must not go between its pull and its start.
 */
export function podUses(pods: readonly PodView[]): Use[] {
  return pods.filter(mayStart).flatMap(({ namespace, name, uid, images }) => {
    const user = { kind: 'pod', pod: { namespace, name, uid } } as const;
    return images.filter(canBeOnNode).map((reference) => ({ reference, user }));
  });
}

/** Not finished, or of a kind that starts again. */
function mayStart({ phase, restartPolicy }: PodView): boolean {
  if (phase === 'Succeeded') return restartPolicy === 'Always';
  if (phase === 'Failed') return restartPolicy !== 'Never';
  return true;
}

/**
 * A text that is no reference names no image: the kubelet refuses to start the container (InvalidImageName). Asking the
 * runtime about it could only end in an error, which would keep everything else, too.
 */
function canBeOnNode(reference: string): boolean {
  return isFullImageId(reference) || parseReference(reference) !== undefined;
}
