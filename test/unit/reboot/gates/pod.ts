import type { GatePod } from '../../../../agent/reboot/gates/pods.ts';

/** A pod that runs and is Ready, but for what is given. */
export function pod(name: string, labels: Readonly<Record<string, string>>, given: Partial<GatePod> = {}): GatePod {
  return {
    namespace: 'shop',
    name,
    labels: new Map(Object.entries(labels)),
    phase: 'Running',
    ready: true,
    daemonSet: undefined,
    terminating: false,
    ...given,
  };
}
