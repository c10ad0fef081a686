import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import type { TLSSocket } from 'node:tls';

import type { Clock } from '../clock.ts';
import { cutError } from './errors.ts';
import type { HttpRequest, HttpResponse, Line } from './http.ts';

export interface Http2LineOptions {
  readonly server: URL;
  /** Connected, h2 agreed upon. */
  readonly socket: TLSSocket;
  readonly clock: Clock;
  readonly pingAfterMs: number;
  readonly pingTimeoutMs: number;
  /** Called at every sign of life. */
  readonly onHeard: () => void;
}

/** All requests and watches as streams of one connection. */
export class Http2Line implements Line {
  readonly #options: Http2LineOptions;
  readonly #session: ClientHttp2Session;
  readonly #over = new AbortController();
  #retired = false;
  #heardAtMs: number;
  /** Why the connection ended, where we know more than the stream does. */
  #end: Error | undefined;

  constructor(options: Http2LineOptions) {
    this.#options = options;
    this.#heardAtMs = options.clock.monotonicMs();
    this.#session = connect(options.server.origin, {
      createConnection: () => options.socket,
      settings: { enablePush: false },
    });
    this.#session.on('error', (error) => {
      this.#end ??= error;
    });
    this.#session.once('close', () => this.#over.abort());
    void this.#watchOver();
  }

  get usable(): boolean {
    // Closed as soon as the server says GOAWAY, which it does before a restart.
    return !this.#retired && !this.#session.closed && !this.#session.destroyed;
  }

  async send(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    const { promise, resolve, reject } = Promise.withResolvers<HttpResponse>();
    let stream: ClientHttp2Stream;
    try {
      stream = this.#session.request(
        { ...request.headers, ':method': request.method, ':path': request.path },
        { endStream: request.body === undefined },
      );
    } catch (error) {
      // The session ended between the look at `usable` and now.
      throw cutError(this.#options.server.origin, error, true);
    }
    const abort = (): void => void stream.destroy();
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    const fail = (error?: Error): void => {
      // Refused is a promise that nothing was done with it (RFC 9113, 8.7), as when the server is about to end.
      const notApplied = stream.rstCode === constants.NGHTTP2_REFUSED_STREAM;
      reject(cutError(this.#options.server.origin, this.#end ?? error ?? new Error('no response'), notApplied));
    };
    stream.on('error', fail);
    stream.once('close', () => {
      signal.removeEventListener('abort', abort);
      fail();
    });
    stream.once('response', (headers) => {
      this.#heard();
      resolve({
        status: headers[':status'] ?? 0,
        header: (name) => headers[name]?.toString(),
        body: this.#body(stream),
        destroy: () => void stream.destroy(),
      });
    });
    if (request.body !== undefined) stream.end(request.body);
    return await promise;
  }

  retire(): void {
    this.#retired = true;
    if (!this.#session.closed && !this.#session.destroyed) this.#session.close();
  }

  destroy(): void {
    this.#session.destroy();
  }

  async *#body(stream: ClientHttp2Stream): AsyncIterable<Uint8Array> {
    try {
      for await (const chunk of stream) {
        this.#heard();
        yield chunk as Buffer;
      }
    } catch (error) {
      throw cutError(this.#options.server.origin, this.#end ?? error);
    }
    // A stream that was destroyed before anybody read it looks as if it had ended.
    if (!stream.readableEnded || stream.rstCode !== constants.NGHTTP2_NO_ERROR) {
      throw cutError(this.#options.server.origin, this.#end ?? new Error(`stream ended with code ${stream.rstCode}`));
    }
  }

  #heard(): void {
    this.#heardAtMs = this.#options.clock.monotonicMs();
    this.#options.onHeard();
  }

  /** Pings a silent connection: a watch may rightly be silent for an hour, and a dead one looks the same. */
  async #watchOver(): Promise<void> {
    const { clock, pingAfterMs, pingTimeoutMs } = this.#options;
    const { signal } = this.#over;
    for (;;) {
      await clock.sleep(this.#heardAtMs + pingAfterMs - clock.monotonicMs(), signal);
      if (signal.aborted) return;
      if (clock.monotonicMs() - this.#heardAtMs < pingAfterMs) continue;
      const answered = this.#ping();
      await Promise.race([answered, clock.sleep(pingTimeoutMs, signal)]);
      if (signal.aborted) return;
      if (clock.monotonicMs() - this.#heardAtMs >= pingAfterMs) {
        this.#end = new Error(`silent, and no answer to a ping within ${pingTimeoutMs / 1000} s`);
        this.#session.destroy();
        return;
      }
    }
  }

  async #ping(): Promise<void> {
    // Between its end and the event that tells of it a session throws where it is asked for anything.
    if (this.#session.destroyed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#session.ping((error) => {
      if (error === null) this.#heard();
      resolve();
    });
    await promise;
  }
}
