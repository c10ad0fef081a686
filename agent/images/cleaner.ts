import type { Clock, Random } from '../clock.ts';
import { isNodetenderError, messageOf } from '../errors.ts';
import type { DiskUsage } from '../host/disk.ts';
import type { RuntimePort } from '../runtime/port.ts';
import type { Gatherer } from './gather.ts';
import type { History } from './history.ts';
import { type Inventory, nameOf } from './inventory.ts';
import { lookPatiently } from './look.ts';
import { type Burst, firstBurst, nextBurst, type Pace } from './pace.ts';
import type { Plan, RemoveDecision } from './plan.ts';
import { plan, type Policy } from './policy.ts';
import type { FailedImage, RemovedImage, Report, SkippedImage } from './report.ts';

/** How far a run is. Counts of images; `removed` is what the runtime said, before it is verified. */
export interface Progress {
  readonly planned: number;
  readonly removed: number;
  readonly skipped: number;
  readonly failed: number;
}

/** The file system that holds the images. */
export interface RunDisk {
  /** Throws `host/no-statfs`. */
  measure(): Promise<DiskUsage>;
  /** For runs that a watermark set off: the run ends as soon as the use in percent is below. */
  readonly stopBelowPercent?: number;
}

export interface CleanOptions {
  readonly port: Pick<RuntimePort, 'removeImage'>;
  readonly gatherer: Pick<Gatherer, 'gather'>;
  readonly history: Pick<History, 'recordFailure'>;
  /** Asked before each burst, so that a reloaded rule holds at once. */
  readonly policy: () => Policy;
  readonly pace: Pace;
  readonly clock: Clock;
  readonly random: Random;
  /** Ends the run after the calls in flight. */
  readonly signal?: AbortSignal;
  readonly disk?: RunDisk;
  readonly onProgress?: (progress: Progress) => void;
  /** Told as soon as an image is gone, so that a crash in mid-run leaves a record of what went. Must not throw. */
  readonly onRemoved?: (decision: RemoveDecision) => void;
}

export type CleanResult = Pick<Report, 'outcome' | 'error' | 'removed' | 'skipped' | 'failed'>;

type End = Pick<Report, 'outcome' | 'error'> & { readonly whyLeft: string };

/** Runtime trouble ends a run after this many bursts in which no image went. */
const FRUITLESS_BURSTS = 3;
/** An image whose call was cut off is tried once more in the same run, if the plan still says so. */
const TRIES_PER_IMAGE = 2;

/** Removes what `planned` says should go. Never rejects. Each image of it ends up removed, skipped or failed. */
export async function clean(planned: Plan, options: CleanOptions): Promise<CleanResult> {
  return await new Cleaning(planned, options).run();
}

/** A removal that was sent; what came of it is known only by looking again. */
interface Sent {
  readonly decision: RemoveDecision;
  readonly tries: number;
  /** Undefined: the runtime said it is done. */
  error: string | undefined;
  /** The runtime went away before it answered: nothing that the image could help. */
  isCutOff: boolean;
  /** A look after the call did not list the image: whoever is listed by that ID later was brought back by somebody else. */
  wasSeenGone: boolean;
}

class Cleaning {
  readonly #options: CleanOptions;
  readonly #planned: number;
  /** Not sent yet, or to be sent again. */
  #pending: RemoveDecision[];
  readonly #sent = new Map<string, Sent>();
  readonly #skipped: SkippedImage[] = [];
  /** Calls answered well and badly so far, for the progress. */
  #answered = 0;
  #erred = 0;
  #burst: Burst;
  #fruitlessBursts = 0;

  constructor(planned: Plan, options: CleanOptions) {
    this.#options = options;
    this.#planned = planned.remove.length;
    this.#pending = [...planned.remove];
    this.#burst = firstBurst(options.pace);
  }

  async run(): Promise<CleanResult> {
    const { clock, signal } = this.#options;
    let end = await this.#step();
    while (end === undefined) {
      if (this.#pending.length > 0) await clock.sleep(this.#burst.pauseMs, signal);
      end = await this.#step();
    }
    for (const decision of this.#pending) {
      if (!this.#sent.has(decision.image.id)) this.#skip(decision, end.whyLeft);
    }
    return await this.#verify(end);
  }

  /** One burst. The look and the burst lie next to each other: the pause comes after both. */
  async #step(): Promise<End | undefined> {
    const { policy } = this.#options;
    if (this.#pending.length === 0) return { outcome: 'done', error: undefined, whyLeft: '' };
    let inventory: Inventory;
    try {
      if (this.#isStopped()) return stopped;
      const enough = await this.#isEnough();
      if (enough !== undefined) return { outcome: 'enough', error: undefined, whyLeft: enough };
      inventory = await lookPatiently(this.#options);
      this.#noteWhatIsGone(inventory);
      const fresh = plan(inventory, policy(), inventory.takenAtMs);
      this.#dropWhatStays(inventory, fresh);
    } catch (error) {
      return this.#isStopped() ? stopped : failed(messageOf(error));
    }
    if (this.#isStopped()) return stopped;
    const burst = this.#pending.slice(0, this.#burst.size);
    this.#pending = this.#pending.slice(burst.length);
    if (burst.length === 0) return undefined;
    await this.#send(burst, inventory.podsUnchangedMs);
    if (this.#fruitlessBursts < FRUITLESS_BURSTS) return undefined;
    return failed(`no image went in ${FRUITLESS_BURSTS} bursts in a row; the last error: ${this.#lastError()}`);
  }

  /** Set when the disk is below the watermark: the sentence for what is left. */
  async #isEnough(): Promise<string | undefined> {
    const { disk } = this.#options;
    if (disk?.stopBelowPercent === undefined) return undefined;
    const { usedPercent } = await disk.measure();
    if (!(usedPercent < disk.stopBelowPercent)) return undefined;
    return `disk use fell to ${usedPercent.toFixed(1)} %, below ${disk.stopBelowPercent} %`;
  }

  /** The time stamps of the history would tell it, too, but they move with the clock; a look that does not list an image is proof. */
  #noteWhatIsGone({ images }: Inventory): void {
    const listed = new Set(images.map((image) => image.id));
    for (const [id, sent] of this.#sent) sent.wasSeenGone ||= !listed.has(id);
  }

  /** An image goes only if it was planned at first AND the plan of this moment says so, too. */
  #dropWhatStays(inventory: Inventory, fresh: Plan): void {
    const goes = new Set(fresh.remove.map(({ image }) => image.id));
    const staying = this.#pending.filter(({ image }) => !goes.has(image.id));
    if (staying.length === 0) return;
    const listed = new Set(inventory.images.map((image) => image.id));
    const reasons = new Map(fresh.keep.map(({ image, reason }) => [image.id, reason]));
    this.#pending = this.#pending.filter(({ image }) => goes.has(image.id));
    for (const decision of staying) {
      const { id } = decision.image;
      // One that was sent before is settled by the last look.
      if (this.#sent.has(id)) continue;
      this.#skip(decision, listed.has(id) ? (reasons.get(id) ?? 'it stays') : 'it was gone already');
    }
  }

  async #send(burst: readonly RemoveDecision[], podsUnchangedMs: number): Promise<void> {
    const { clock } = this.#options;
    const startedMs = clock.monotonicMs();
    let slowestCallMs = 0;
    let went = 0;
    await Promise.all(
      burst.map(async (decision) => {
        if (await this.#remove(decision)) went += 1;
        slowestCallMs = Math.max(slowestCallMs, clock.monotonicMs() - startedMs);
        this.#tell();
      }),
    );
    this.#fruitlessBursts = went > 0 ? 0 : this.#fruitlessBursts + 1;
    const durationMs = clock.monotonicMs() - startedMs;
    this.#burst = nextBurst(this.#burst, { durationMs, slowestCallMs, podsUnchangedMs });
  }

  /** True when the call was answered as it should be, a refusal for use included. */
  async #remove(decision: RemoveDecision): Promise<boolean> {
    const { id } = decision.image;
    const before = this.#sent.get(id);
    const sent: Sent = {
      decision,
      tries: (before?.tries ?? 0) + 1,
      error: undefined,
      isCutOff: false,
      wasSeenGone: false,
    };
    this.#sent.set(id, sent);
    if (before !== undefined) this.#erred -= 1;
    try {
      await this.#options.port.removeImage(id);
      this.#answered += 1;
      this.#options.onRemoved?.(decision);
      return true;
    } catch (error) {
      if (isNodetenderError(error, 'runtime/image-in-use')) {
        this.#sent.delete(id);
        this.#skip(decision, `the runtime refuses: ${error.message}`);
        return true;
      }
      this.#erred += 1;
      sent.error = messageOf(error);
      sent.isCutOff = isNodetenderError(error, 'runtime/unavailable', 'runtime/no-socket', 'runtime/cancelled');
      if (sent.isCutOff && sent.tries < TRIES_PER_IMAGE) this.#pending.push(decision);
      return false;
    }
  }

  #skip({ image }: RemoveDecision, why: string): void {
    this.#skipped.push({ id: image.id, name: nameOf(image), why });
  }

  /** The outcome of a call is known only by looking again: one that failed may have done its work, and the other way round. */
  async #verify(end: End): Promise<CleanResult> {
    const { history, random } = this.#options;
    const removed: RemovedImage[] = [];
    const failures: FailedImage[] = [];
    let { outcome, error } = end;
    let listed: ReadonlySet<string> | undefined;
    if (this.#sent.size > 0) {
      try {
        const { images } = await this.#lastLook();
        listed = new Set(images.map((image) => image.id));
      } catch (cause) {
        if (outcome !== 'stopped') outcome = 'failed';
        error ??= `what was removed could not be verified: ${messageOf(cause)}`;
      }
    }
    for (const { decision, error: callError, isCutOff, wasSeenGone } of this.#sent.values()) {
      const { image, code, reason } = decision;
      const name = nameOf(image);
      const isGone = listed === undefined ? callError === undefined : !listed.has(image.id);
      const cameBack = !isGone && wasSeenGone;
      if (isGone || cameBack) {
        removed.push({ id: image.id, name, sizeBytes: image.sizeBytes, code, reason, cameBack });
        if (callError !== undefined) this.#options.onRemoved?.(decision);
      } else {
        // Pulled again before any look saw it gone, it cannot be told from one that never went: the cautious word is failed.
        const message = callError ?? 'the runtime said that it was removed, but lists it still or again';
        failures.push({ id: image.id, name, message });
        if (!isCutOff) history.recordFailure(image.id, message, random);
      }
    }
    // A few that do not go are told one by one; when nothing goes at all, it is the run that does not work.
    if (outcome === 'done' && removed.length === 0 && failures.length > 0) {
      outcome = 'failed';
      error = `no image went; the last error: ${failures.at(-1)?.message}`;
    }
    return { outcome, error, removed, skipped: this.#skipped, failed: failures };
  }

  /** Taken also on the way out, but then without patience: somebody waits for the process to end. */
  async #lastLook(): Promise<Inventory> {
    try {
      return await lookPatiently(this.#options);
    } catch (error) {
      if (!this.#isStopped()) throw error;
    }
    return await this.#options.gatherer.gather();
  }

  /** A call, because it changes behind an await. */
  #isStopped(): boolean {
    return this.#options.signal?.aborted === true;
  }

  #tell(): void {
    this.#options.onProgress?.({
      planned: this.#planned,
      removed: this.#answered,
      skipped: this.#skipped.length,
      failed: this.#erred,
    });
  }

  #lastError(): string {
    return [...this.#sent.values()].findLast(({ error }) => error !== undefined)?.error ?? 'none';
  }
}

const stopped: End = { outcome: 'stopped', error: undefined, whyLeft: 'the run was stopped before its turn' };

function failed(error: string): End {
  return { outcome: 'failed', error, whyLeft: 'the run could not go on' };
}
