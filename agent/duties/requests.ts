import { Bell } from '../bell.ts';
import { nodeAnnotations } from '../cluster/names.ts';
import type { NodeView } from '../cluster/node.ts';
import { decodeLastClean } from '../cluster/records.ts';
import type { Report } from '../images/report.ts';
import type { Obstacle } from '../node/obstacle.ts';
import { doneRequest, nextStep, type RequestStep } from '../node/request.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Gate } from './gate.ts';
import type { NodeWriter } from './nodewriter.ts';
import type { RunRequest } from './runs.ts';

export interface RequestsOptions {
  readonly node: () => NodeView | undefined;
  readonly writer: Pick<NodeWriter, 'set'>;
  readonly gate: Gate;
  readonly run: (request: RunRequest) => Promise<Report | undefined>;
  readonly onRefused: (value: string, why: string) => void;
  /** Told when a run could not even report, which the log explains. */
  readonly onNotRun: (value: string, dryRun: boolean) => void;
  /** Told once for each value and kind of obstacle. */
  readonly onWaiting: (value: string, obstacle: Obstacle) => void;
  readonly log: Logger;
  readonly metrics: Metrics;
}

type RunStep = Extract<RequestStep, { kind: 'run' }>;

/**
 * The wishes of people who annotate the Node. A value is accepted before its run and done with its result, each by a mark
 * on the Node, so that after a crash between the two the run is repeated, and after the second never.
 */
export class CleanRequests {
  readonly #options: RequestsOptions;
  readonly #bell = new Bell();
  /** What this process wrote last: the watch shows it only a moment later. */
  #own: { readonly uid: string; handled: string | undefined; done: string | undefined } | undefined;
  #said = '';

  constructor(options: RequestsOptions) {
    this.#options = options;
  }

  /** The Node or the gate has changed. */
  look(): void {
    this.#bell.ring();
  }

  /** The value done last, for the results of all runs. */
  get done(): string | undefined {
    return this.#marks()?.done;
  }

  /** `value` is done: to be called before its result is written. */
  finished(value: string): void {
    if (this.#own !== undefined) this.#own.done = value;
  }

  /** Until `signal` aborts. */
  async work(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const step = nextStep({ clean: undefined, handled: undefined, done: undefined, ...this.#marks() });
      if (step.kind === 'run' && this.#isAllowed(step)) await this.#run(step, signal);
      else {
        if (step.kind === 'refuse') this.#refuse(step.value, step.why);
        await this.#bell.wait(signal);
      }
    }
  }

  #isAllowed({ value }: RunStep): boolean {
    const { gate, log, onWaiting } = this.#options;
    const { obstacle } = gate;
    if (obstacle === undefined) return true;
    if (this.#isNews(`waits ${value} ${obstacle.code}`)) {
      log.info({ request: value, code: obstacle.code, reason: obstacle.reason }, 'a request waits');
      onWaiting(value, obstacle);
    }
    return false;
  }

  #refuse(value: string, why: string): void {
    const { log, metrics, onRefused } = this.#options;
    if (!this.#isNews(`refused ${value}`)) return;
    metrics.requestRefused();
    log.warn({ reason: why }, 'a request is refused');
    onRefused(value, why);
  }

  async #run({ value, dryRun, accepted }: RunStep, signal: AbortSignal): Promise<void> {
    const { writer, run, onNotRun, log, metrics } = this.#options;
    if (!accepted) {
      await Promise.race([writer.set({ [nodeAnnotations.cleanHandled]: value }), aborted(signal)]);
      if (signal.aborted) return;
      if (this.#own !== undefined) this.#own.handled = value;
      metrics.requestAccepted();
    }
    log.info({ request: value, dryRun, again: accepted }, 'a request is accepted');
    const report = await run({ trigger: 'annotation', subject: value, dryRun });
    // The report has marked it as done, unless the agent is stopped: then its next life runs it again.
    if (report !== undefined || signal.aborted) return;
    this.finished(value);
    onNotRun(value, dryRun);
  }

  #marks(): { clean: string | undefined; handled: string | undefined; done: string | undefined } | undefined {
    const node = this.#options.node();
    if (node === undefined) return undefined;
    const { uid, annotations } = node;
    // Another Node of the same name has its own history.
    if (this.#own?.uid !== uid) {
      const lastClean = decodeLastClean(annotations.get(nodeAnnotations.lastClean) ?? '');
      const handled = annotations.get(nodeAnnotations.cleanHandled);
      this.#own = { uid, handled, done: doneRequest(lastClean.ok ? lastClean.value : undefined) };
    }
    const { handled, done } = this.#own;
    return { clean: annotations.get(nodeAnnotations.clean), handled, done };
  }

  #isNews(what: string): boolean {
    if (this.#said === what) return false;
    this.#said = what;
    return true;
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  signal.addEventListener('abort', () => resolve(), { once: true });
  await promise;
}
