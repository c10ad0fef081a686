import { join } from 'node:path';

import * as z from 'zod/mini';

import type { Clock, Random } from '../clock.ts';
import { isNodetenderError, NodetenderError } from '../errors.ts';
import {
  firstState,
  nextRunMs,
  type Schedule,
  type ScheduleState,
  stateAfterRun,
  stateAtStart,
  withoutFuture,
} from './schedule.ts';
import { readStateFile, setAside, type StateFileFormat, type StateFileSystem, writeStateFile } from './statefile.ts';

export interface RunTimerOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Asked again at every look at the clock, so that a reloaded schedule holds at once. */
  readonly schedule: () => Schedule;
  readonly fileSystem?: StateFileSystem;
}

const FILE_NAME = 'schedule.json';
/** The wall clock may jump and the schedule may be reloaded: look at both this often. */
const LOOK_EVERY_MS = 60_000;

const stateSchema = z.object({
  firstStartMs: z.number(),
  lastRunMs: z.optional(z.number()),
  jitterShare: z.number().check(z.gte(0), z.lt(1)),
  missedSinceMs: z.optional(z.number()),
});

const format: StateFileFormat<ScheduleState> = {
  name: 'nodetender/schedule',
  version: 1,
  parse: (body) => {
    const parsed = stateSchema.safeParse(body);
    if (!parsed.success) throw new Error(z.prettifyError(parsed.error));
    const { firstStartMs, lastRunMs, jitterShare, missedSinceMs } = parsed.data;
    return { firstStartMs, lastRunMs, jitterShare, missedSinceMs };
  },
};

/** Waits for the runs of a schedule, over restarts of the process. */
export class RunTimer {
  /** Why the state could not be read or written: the timer then holds in this process only. */
  problem: NodetenderError | undefined;
  readonly #options: RunTimerOptions;
  readonly #path: string;
  #state: ScheduleState;

  /** Reads the state and finds out whether a run was missed. Never throws: look at `problem`. */
  static async open(options: RunTimerOptions): Promise<RunTimer> {
    const { directory, clock, random, schedule, fileSystem } = options;
    const path = join(directory, FILE_NAME);
    const nowMs = clock.nowMs();
    const content = await readStateFile(path, format, fileSystem);
    const known = content.state === 'ok' ? content.value : firstState(nowMs, random());
    const timer = new RunTimer(options, path, stateAtStart(known, schedule(), nowMs));
    const fate = content.state === 'corrupt' ? await setAside(path, fileSystem) : '';
    await timer.#save();
    if (content.state === 'corrupt') {
      timer.problem = new NodetenderError(
        'state/unreadable',
        `the schedule's state ${path} cannot be used: ${content.why}; ${fate}, and the schedule begins anew, as on a new node.`,
      );
    }
    return timer;
  }

  private constructor(options: RunTimerOptions, path: string, state: ScheduleState) {
    this.#options = options;
    this.#path = path;
    this.#state = state;
  }

  /** When the next run is due; undefined when the schedule never comes round. */
  nextRunMs(): number | undefined {
    return nextRunMs(this.#options.schedule(), this.#state);
  }

  get lastRunMs(): number | undefined {
    return this.#state.lastRunMs;
  }

  /** Resolves when a run is due, or when `signal` aborts. */
  async untilDue(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      const nowMs = clock.nowMs();
      const sane = withoutFuture(this.#state, nowMs);
      if (!isSame(sane, this.#state)) {
        this.#state = sane;
        await this.#save();
      }
      const dueMs = this.nextRunMs() ?? Number.POSITIVE_INFINITY;
      if (dueMs <= nowMs) return;
      await clock.sleep(Math.min(dueMs - nowMs, LOOK_EVERY_MS), signal);
    }
  }

  /** To be called when a run of the schedule begins, before it does anything: a run that kills the process is not repeated at once. */
  async begin(): Promise<void> {
    this.#state = stateAfterRun(this.#state, this.#options.clock.nowMs());
    await this.#save();
  }

  async #save(): Promise<void> {
    try {
      await writeStateFile(this.#path, format, this.#state, this.#options.fileSystem);
      this.problem = undefined;
    } catch (error) {
      if (!isNodetenderError(error)) throw error;
      this.problem = error;
    }
  }
}

function isSame(one: ScheduleState, other: ScheduleState): boolean {
  return (
    one.firstStartMs === other.firstStartMs &&
    one.lastRunMs === other.lastRunMs &&
    one.missedSinceMs === other.missedSinceMs
  );
}
