import type { Plan, RemoveDecision } from './plan.ts';

/** What set a run off. */
export type RunTrigger = 'schedule' | 'watermark' | 'signal' | 'annotation' | 'imagelist' | 'command';

export interface RemovedImage {
  readonly id: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly code: RemoveDecision['code'];
  readonly reason: string;
  /** It was seen gone, and is listed again at the end of the run: somebody pulled it meanwhile. */
  readonly cameBack: boolean;
}

/** Planned for removal, but left: someone began to use it, a rule changed, the runtime refused, the run was stopped. */
export interface SkippedImage {
  readonly id: string;
  readonly name: string;
  readonly why: string;
}

export interface FailedImage {
  readonly id: string;
  readonly name: string;
  readonly message: string;
}

/** What one run did. */
export interface Report {
  readonly trigger: RunTrigger;
  readonly dryRun: boolean;
  readonly startedAtMs: number;
  readonly durationMs: number;
  /** `stopped`: the process was asked to end; `enough`: the disk fell below the lower watermark. */
  readonly outcome: 'done' | 'stopped' | 'enough' | 'failed';
  /** Set when outcome is `failed`: why the run could not go on. */
  readonly error: string | undefined;
  readonly plan: Plan;
  readonly removed: readonly RemovedImage[];
  readonly skipped: readonly SkippedImage[];
  readonly failed: readonly FailedImage[];
  /** Sum of the removed images' sizes: an estimate, because sizes are compressed and count shared layers in full. */
  readonly estimatedFreedBytes: number;
  /** Free bytes of the images' file system after minus before; undefined where it could not be measured. Others write there too. */
  readonly measuredFreedBytes: number | undefined;
}
