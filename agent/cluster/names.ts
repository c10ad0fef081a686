/** Everything of ours that has a name in the cluster. What stands here is an interface: people type it. */

/** What begins the key of each annotation and label of ours; a NodeView keeps the keys without it. */
export const annotationPrefix = 'nodetender.dev/';

/** As whom the API server records our writes: what stands before the `/` of our User-Agent. */
export const fieldManager = 'nodetender';

/** Annotations of a Node, without the prefix. */
export const nodeAnnotations = {
  /** A new value asks for one run; one that begins with `dry-run` for a dry run. */
  clean: 'clean',
  /** The value of `clean` that was accepted last; written before the run. */
  cleanHandled: 'clean-handled',
  /** What the last run did, a LastClean; the run that a value asked for is done when its `request` names the value. */
  lastClean: 'last-clean',
  /** Any value is the reason to leave this node alone. */
  hold: 'hold',
  /** What the agent is doing, a NodeStatus. */
  status: 'status',
  /** What became of ImageLists here, ImageListResults. */
  imageList: 'imagelist',
  /** A new value asks for one reboot; one that begins with `now` for one outside the windows. */
  reboot: 'reboot',
  /** How far the reboot is and what the agent has to know after it, a State. */
  rebootStatus: 'reboot-status',
} as const;

type NodeAnnotation = (typeof nodeAnnotations)[keyof typeof nodeAnnotations];

/** Label of a Node: the phase of its reboot, absent where it is idle. */
export const stateLabel = `${annotationPrefix}state`;

/** `metadata.annotations` of a patch; null removes one. */
export function annotationsPatch(values: Partial<Record<NodeAnnotation, string | null>>): object {
  const annotations = Object.fromEntries(
    Object.entries(values).map(([name, value]) => [`${annotationPrefix}${name}`, value]),
  );
  return { metadata: { annotations } };
}

/** The ConfigMap in the agent's namespace that everybody watches, and its annotation: any value is the reason to pause. */
export const controlConfigMap = 'nodetender-control';
export const pauseAnnotation = `${annotationPrefix}pause`;

/** On the Leases that are slots: the pool they belong to. */
export const poolLabel = `${annotationPrefix}pool`;
/** On a free slot's Lease: who was first in the queue when it was given back, a Hint. */
export const nextAnnotation = `${annotationPrefix}next`;

/** Types of the conditions that agents write. */
export const nodeConditions = ['RebootRequired', 'RebootPossible'] as const;
