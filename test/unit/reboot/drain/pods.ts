import { budgetOf, type Budget } from '../../../../agent/reboot/drain/budget.ts';
import type { DrainPod } from '../../../../agent/reboot/drain/pod.ts';

/** A running, ready pod of a ReplicaSet of its own. */
export function drainPod(name: string, details: Partial<DrainPod> = {}): DrainPod {
  return {
    namespace: 'shop',
    name,
    uid: `uid-${name}`,
    labels: new Map([['app', 'web']]),
    controller: { daemonSet: false, name: 'web', uid: 'uid-web' },
    phase: 'Running',
    ready: true,
    mirror: false,
    emptyDir: false,
    critical: false,
    graceSeconds: 30,
    endsAtMs: undefined,
    endAskedAtMs: undefined,
    ...details,
  };
}

/** A budget for pods with the label `app=web`, with room for one. */
export function budget(name: string, details: Partial<Budget> = {}): Budget {
  const metadata = { namespace: 'shop', name, uid: `uid-${name}`, resourceVersion: '1', generation: 1 };
  const status = {
    observedGeneration: 1,
    disruptionsAllowed: 1,
    expectedPods: 3,
    currentHealthy: 3,
    desiredHealthy: 2,
  };
  return { ...budgetOf({ metadata, spec: { selector: { matchLabels: { app: 'web' } } }, status }), ...details };
}
