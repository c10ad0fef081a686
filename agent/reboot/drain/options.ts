/** How a node is emptied; what the configuration calls `reboot.drain`. */
export interface DrainOptions {
  /** For the whole drain; undefined: however long. */
  readonly timeoutMs: number | undefined;
  /** For one pod, from the first time that its eviction was asked for until it is gone; undefined: `timeoutMs` alone counts. */
  readonly podTimeoutMs: number | undefined;
  /** Time that each pod has to end; undefined: its own. */
  readonly gracePeriodSeconds: number | undefined;
  /** As kubectl takes it; undefined: all pods. */
  readonly podSelector: string | undefined;
  /** A pod that should have ended so long ago is not waited for; undefined: every pod is. */
  readonly skipTerminatingAfterSeconds: number | undefined;
  /** Evictions under way at a time. */
  readonly parallelism: number;
  /** Pods with emptyDir volumes go and lose them, or refuse the drain. */
  readonly evictEmptyDir: boolean;
  /** Pods that nobody will create again go, or refuse the drain. */
  readonly evictUnmanaged: boolean;
  /** What becomes of the node when it cannot be emptied: `go-on` reboots it all the same. Undefined: `back-out`. */
  readonly whenStuck?: 'back-out' | 'go-on' | 'stay' | undefined;
}
