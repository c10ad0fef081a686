/** The calls a fault can strike, as the protocol names them. */
export type Method =
  | 'Version'
  | 'Status'
  | 'ListImages'
  | 'StreamImages'
  | 'ListContainers'
  | 'StreamContainers'
  | 'ListPodSandbox'
  | 'PodSandboxStatus'
  | 'ContainerStatus'
  | 'ImageStatus'
  | 'RemoveImage'
  | 'ImageFsInfo';

export interface Fault {
  /** Every method where left out. */
  readonly methods?: readonly Method[];
  /** Only calls with this argument (image, container or sandbox as sent). */
  readonly argument?: string;
  /** How many calls it strikes; every one where left out. */
  readonly times?: number;
  /** Calls to let pass first. */
  readonly after?: number;
  readonly latencyMs?: number;
  /** The call is refused with this gRPC status, before anything is done. */
  readonly error?: { readonly code: number; readonly details: string };
  /** The call never answers. */
  readonly hang?: boolean;
  /** The work is done, but the connection is cut before the answer. */
  readonly cut?: boolean;
  /** Changes the answer, a plain object of the protocol; over a socket only. */
  readonly corrupt?: (response: Record<string, unknown>) => Record<string, unknown>;
  /** Called when it strikes: change the store in the middle of a run. */
  readonly onCall?: (argument: string) => void;
}

/** Faults on request, taken in the order in which they were added. */
export class Faults {
  #active: { fault: Fault; passes: number; left: number }[] = [];
  /** Every call that arrived, for counting. */
  readonly calls: { readonly method: Method; readonly argument: string }[] = [];

  add(fault: Fault): void {
    this.#active.push({ fault, passes: fault.after ?? 0, left: fault.times ?? Number.POSITIVE_INFINITY });
  }

  clear(): void {
    this.#active = [];
  }

  /** The fault for a call that arrives now, if any. */
  take(method: Method, argument = ''): Fault | undefined {
    this.calls.push({ method, argument });
    for (const entry of this.#active) {
      const { fault } = entry;
      if (fault.methods !== undefined && !fault.methods.includes(method)) continue;
      if (fault.argument !== undefined && fault.argument !== argument) continue;
      if (entry.passes > 0) {
        entry.passes -= 1;
        continue;
      }
      if (entry.left <= 0) continue;
      entry.left -= 1;
      fault.onCall?.(argument);
      return fault;
    }
    return undefined;
  }
}
