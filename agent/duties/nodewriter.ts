import { Bell } from '../bell.ts';
import type { Clock, Random } from '../clock.ts';
import { type Backoff } from '../backoff.ts';
import { retryMs } from '../cluster/backoff.ts';
import { annotationsPatch, type nodeAnnotations } from '../cluster/names.ts';
import { nodes } from '../cluster/objects.ts';
import type { KubernetesPort } from '../cluster/port.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../observe/log.ts';

type Name = (typeof nodeAnnotations)[keyof typeof nodeAnnotations];
export type AnnotationValues = Partial<Record<Name, string>>;

export interface NodeWriterOptions {
  readonly port: Pick<KubernetesPort, 'patch'>;
  readonly nodeName: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

const retryBackoff: Backoff = { firstMs: 1_000, longestMs: 60_000 };
/** The kubelet ends a pod 30 s after it asked; the last removals come first. */
const lastWriteMs = 5_000;

/**
 * Writes annotations of one's own Node, what is set together in one request, until the API server has taken them. Of a
 * value that is set again meanwhile only the last is written.
 */
export class NodeWriter {
  readonly #options: NodeWriterOptions;
  readonly #bell = new Bell();
  #pending: AnnotationValues = {};
  #written = Promise.withResolvers<void>();
  #problem: string | undefined;

  constructor(options: NodeWriterOptions) {
    this.#options = options;
  }

  /** Resolves when it is written. */
  async set(values: AnnotationValues): Promise<void> {
    this.#pending = { ...this.#pending, ...values };
    this.#bell.ring();
    await this.#written.promise;
  }

  /** Until `signal` aborts; what is not written then is tried once more. Never rejects. */
  async work(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    let failures = 0;
    let problem: unknown;
    while (!signal.aborted) {
      if (failures === 0) await this.#bell.wait(signal);
      else await clock.sleep(retryMs(retryBackoff, failures, problem, random), signal);
      if (signal.aborted) break;
      problem = await this.#write({ signal });
      failures = problem === undefined ? 0 : failures + 1;
    }
  }

  /** To be called when nothing more is set. Never rejects. */
  async finish(): Promise<void> {
    await this.#write({ deadlineMs: lastWriteMs });
  }

  /** Why something is left to write; undefined where nothing is. */
  async #write(call: { signal?: AbortSignal; deadlineMs?: number }): Promise<unknown> {
    const { port, nodeName, log } = this.#options;
    const values = this.#pending;
    if (Object.keys(values).length === 0) return undefined;
    const written = this.#written;
    this.#pending = {};
    this.#written = Promise.withResolvers<void>();
    try {
      await port.patch(nodes, { name: nodeName }, { type: 'merge', body: annotationsPatch(values) }, call);
    } catch (error) {
      // What was set meanwhile is newer.
      this.#pending = { ...values, ...this.#pending };
      void this.#written.promise.then(written.resolve);
      if (messageOf(error) !== this.#problem) log.warn({ error }, 'annotations of the Node could not be written');
      this.#problem = messageOf(error);
      return error;
    }
    this.#problem = undefined;
    written.resolve();
    return undefined;
  }
}
