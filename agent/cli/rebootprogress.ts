import { nodeAnnotations } from '../cluster/names.ts';
import type { NodeView } from '../cluster/node.ts';
import type { Phase, State } from '../reboot/state.ts';
import { recordOf } from './rebootrecord.ts';

/** How far a requested reboot is on one node. */
export type RebootProgress =
  /** No agent has taken it up yet. */
  | { readonly state: 'requested' }
  /** An agent has, and nothing has been done to the node yet, or no longer is. */
  | { readonly state: 'waiting'; readonly phase: Phase; readonly why: string }
  /** From the cordon to the uncordon. */
  | { readonly state: 'rebooting'; readonly phase: Phase; readonly why: string }
  /** The boot ID has changed, and the node is well. `remark`: what is to be known besides. */
  | { readonly state: 'done'; readonly bootId: string | undefined; readonly remark: string | undefined }
  /** The boot ID has changed, and the node is not well: the roll stops there. */
  | { readonly state: 'failed'; readonly why: string }
  /** It will never be done. */
  | { readonly state: 'lost'; readonly why: string };

/** What `node` says of the request with that value; undefined is a node that is gone. */
export function progressOf(request: string, node: NodeView | undefined): RebootProgress {
  if (node === undefined) return { state: 'lost', why: 'the node is gone' };
  const { state } = recordOf(node);
  if (state?.requestHandled === request) return handled(state);
  const wanted = node.annotations.get(nodeAnnotations.reboot);
  if (wanted !== request) {
    const why = wanted === undefined ? 'the request was withdrawn' : 'a later request took its place';
    return { state: 'lost', why };
  }
  if (state?.need?.request !== request) return { state: 'requested' };
  const { phase, reason } = state;
  return { state: isUnderWay(phase) ? 'rebooting' : 'waiting', phase, why: reason.text };
}

/** The host has rebooted: that is recorded with the new boot ID. */
function handled({ phase, reason, lastReboot }: State): RebootProgress {
  if (reason.code === 'unhealthy') return { state: 'failed', why: reason.text };
  if (phase === 'verifying' || (phase === 'releasing' && reason.code !== 'left-cordoned')) {
    return { state: 'rebooting', phase, why: reason.text };
  }
  return {
    state: 'done',
    bootId: lastReboot?.bootId,
    remark: reason.code === 'left-cordoned' ? reason.text : undefined,
  };
}

function isUnderWay(phase: Phase): boolean {
  return phase === 'cordoned' || phase === 'draining' || phase === 'rebooting';
}

/** Nothing more will come that a person would wait for. */
export function isSettled({ state }: RebootProgress): boolean {
  return state === 'done' || state === 'failed' || state === 'lost';
}

/** What follows the name of a node. */
export function progressInWords(progress: RebootProgress): string {
  switch (progress.state) {
    case 'requested':
      return 'has not taken up the request; its agent does only where its configuration has reboot.enabled: true';
    case 'waiting':
    case 'rebooting':
      return `${progress.phase}: ${progress.why}`;
    case 'done':
      return progress.remark ?? `rebooted${progress.bootId === undefined ? '' : `: the boot ID is ${progress.bootId}`}`;
    case 'failed':
      return `failed: ${progress.why}`;
    case 'lost':
      return `will not reboot: ${progress.why}`;
  }
}

/** For programs. */
export function progressToJson(progress: RebootProgress): object {
  return {
    state: progress.state,
    phase: 'phase' in progress ? progress.phase : null,
    why: 'why' in progress ? progress.why : 'remark' in progress ? (progress.remark ?? null) : null,
    bootId: 'bootId' in progress ? (progress.bootId ?? null) : null,
  };
}
