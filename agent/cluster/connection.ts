import type { Clock, Random } from '../clock.ts';
import { messageOf } from '../errors.ts';
import { type Backoff } from '../backoff.ts';
import { retryMs } from './backoff.ts';
import { type Deadline, type Stopped, withinDeadline } from '../deadline.ts';
import { type Asked, cancelledError, ClusterError, deadlineError, refusalError } from './errors.ts';
import type { HttpRequest, HttpResponse } from './http.ts';
import { lines } from './lines.ts';
import { type Rate, TokenBucket } from './tokenbucket.ts';
import type { Transport } from './transport.ts';

/** One question to the API server. */
export interface Question {
  readonly asked: Asked;
  readonly method: HttpRequest['method'];
  readonly path: string;
  readonly accept?: string | undefined;
  readonly contentType?: string | undefined;
  readonly body?: object | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly deadlineMs?: number | undefined;
}

export interface ConnectionOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  /** As the User-Agent header and, up to its slash, as the field manager of what we write. */
  readonly userAgent: string;
  readonly rate?: Rate | undefined;
  readonly maxResponseBytes?: number | undefined;
}

/** As long as an API server gives its own clients for anything that is no watch, halved: it answers in milliseconds or is ill. */
const defaultDeadlineMs = 30_000;

/** A drain of the fullest node (250 pods) leaves at once; a loop gone wrong stays below what API servers notice. */
const defaultRate: Rate = { perSecond: 20, burst: 300 };

/** 500 pods of 16 KB; decoded it takes three times as much, within a heap of 64 MB. */
const defaultMaxResponseBytes = 8 * 1024 * 1024;

/** etcd takes objects up to 1.5 MiB. */
const maxEventBytes = 4 * 1024 * 1024;

/** Longer outages are for callers to decide on. */
const maxAttempts = 4;
const retryBackoff: Backoff = { firstMs: 500, longestMs: 5_000 };

/** Questions and answers in JSON: limits, deadlines, retries where they are safe, refusals as typed errors. */
export class ApiConnection {
  readonly #options: ConnectionOptions;
  readonly #bucket: TokenBucket;
  #closed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#bucket = new TokenBucket(options.rate ?? defaultRate, options.clock);
  }

  /** The answer's JSON. */
  async ask(question: Question): Promise<unknown> {
    return await this.#persist(question, async (signal) => {
      const response = await this.#send(question, signal);
      const text = await this.#text(question, response);
      return parse(text, question.asked);
    });
  }

  /**
   * An answer that goes on: first undefined, when it has begun, then the JSON of each line. Iterate it, to its end or
   * until `return`.
   */
  async *follow(question: Question): AsyncGenerator<unknown, void, void> {
    const { asked, signal } = question;
    const stop = new AbortController();
    const abort = (): void => stop.abort();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      const response = await this.#persist(question, async (opening) => {
        // The response outlives its opening: only until it is there may the deadline end it.
        opening.addEventListener('abort', abort, { once: true });
        try {
          return await this.#send(question, stop.signal);
        } finally {
          opening.removeEventListener('abort', abort);
        }
      });
      yield undefined;
      const tooLong = (): Error => tooLarge(asked, `an event of more than ${maxEventBytes} bytes`);
      for await (const line of lines(response.body, maxEventBytes, tooLong)) yield parse(line, asked);
      // Ended by the server, or by us?
      signal?.throwIfAborted();
    } catch (error) {
      throw signal?.aborted === true || this.#closed ? cancelledError(asked) : error;
    } finally {
      signal?.removeEventListener('abort', abort);
      stop.abort();
    }
  }

  /** Ends what is in flight, and refuses what comes. */
  close(): void {
    this.#closed = true;
    this.#options.transport.close();
  }

  /** Tries again what may be tried again, until the deadline. */
  async #persist<T>(question: Question, attempt: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { clock, random, transport } = this.#options;
    const { asked, method, signal, deadlineMs = defaultDeadlineMs } = question;
    const deadline: Deadline = { clock, ms: deadlineMs, signal };
    const endMs = clock.monotonicMs() + deadlineMs;
    let last: unknown;
    const stopped = (why: Stopped): Error =>
      why === 'cancelled' ? cancelledError(asked) : deadlineError(asked, deadlineMs, last);
    return await withinDeadline(
      deadline,
      async (signal) => {
        for (let attempts = 1; ; attempts += 1) {
          await this.#bucket.take(signal);
          try {
            return await attempt(signal);
          } catch (error) {
            last = error;
            if (this.#closed) throw cancelledError(asked);
            if (!(error instanceof ClusterError) || attempts === maxAttempts) throw error;
            const refreshed = error.code === 'cluster/unauthorized' || error.code === 'cluster/untrusted';
            if (refreshed) transport.forget();
            if (refreshed ? attempts > 1 : !mayRetry(error, method)) throw error;
            const waitMs = refreshed ? 0 : retryMs(retryBackoff, attempts, error, random);
            // Better the server's own words now than a timeout then.
            if (clock.monotonicMs() + waitMs >= endMs) throw error;
            await clock.sleep(waitMs, signal);
          }
        }
      },
      stopped,
    );
  }

  async #send(question: Question, signal: AbortSignal): Promise<HttpResponse> {
    const { transport, clock, userAgent } = this.#options;
    const { method, path, accept = 'application/json', contentType = 'application/json', asked } = question;
    const headers: Record<string, string> = { accept, 'user-agent': userAgent };
    let body;
    if (question.body !== undefined) {
      body = JSON.stringify(question.body);
      headers['content-type'] = contentType;
      headers['content-length'] = String(Buffer.byteLength(body));
    }
    const response = await transport.send({ method, path, headers, body }, signal);
    if (response.status >= 200 && response.status < 300) return response;
    const text = await this.#text(question, response);
    const refusal = {
      httpStatus: response.status,
      retryAfter: response.header('retry-after'),
      status: parseQuietly(text),
    };
    throw refusalError(refusal, asked, clock.nowMs());
  }

  async #text({ asked }: Question, response: HttpResponse): Promise<string> {
    const maxBytes = this.#options.maxResponseBytes ?? defaultMaxResponseBytes;
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    try {
      for await (const chunk of response.body) {
        bytes += chunk.length;
        if (bytes > maxBytes) throw tooLarge(asked, `more than ${maxBytes} bytes`);
        chunks.push(chunk);
      }
    } finally {
      response.destroy();
    }
    const announced = response.header('content-length');
    if (announced !== undefined && Number(announced) !== bytes) {
      throw new ClusterError('cluster/unavailable', `${describe(asked)}: ${bytes} of ${announced} bytes arrived`);
    }
    return Buffer.concat(chunks).toString();
  }
}

/** A read may always be asked again; a write only when it surely did nothing. */
function mayRetry(error: ClusterError, method: HttpRequest['method']): boolean {
  if (error.code === 'cluster/throttled') return true;
  return transient.has(error.code) && (method === 'GET' || error.notApplied);
}

const transient: ReadonlySet<string> = new Set([
  'cluster/unavailable',
  'cluster/failed',
  'cluster/timeout',
  'cluster/bad-response',
]);

function parse(text: string, asked: Asked): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // JSON.stringify makes whatever stands there printable.
    const found = text === '' ? 'nothing' : JSON.stringify(text.slice(0, 80));
    throw new ClusterError(
      'cluster/bad-response',
      `${describe(asked)}: expected JSON, found ${found} (${messageOf(error)}). Is this an API server?`,
      { cause: error },
    );
  }
}

function parseQuietly(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function tooLarge(asked: Asked, found: string): ClusterError {
  return new ClusterError('cluster/too-large', `${describe(asked)}: the answer has ${found}`);
}

function describe({ verb, what }: Asked): string {
  return `${verb} ${what}`;
}
