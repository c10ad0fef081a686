import {
  type ChannelOptions,
  Client,
  type ClientUnaryCall,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { type NodetenderError, isNodetenderError } from '../errors.ts';
import { cancelledError, runtimeError } from './errors.ts';
import { type CriMethod, type CriMethodDefinition, loadCriProtocol } from './proto.ts';
import { kindOfFile, socketPath } from './sockets.ts';

export interface CallOptions {
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
  /**
   * Bring the call through a restart of the runtime. For reads only: a removal was decided on what was true when it was
   * sent, and must not go out seconds later.
   */
  readonly patient: boolean;
}

export interface ConnectionOptions {
  /** As a person gives it: `unix:///run/containerd/containerd.sock`. */
  readonly endpoint: string;
  /** Called when the runtime becomes reachable (undefined) and when it stops being so (why). */
  readonly onHealth?: ((problem: NodetenderError | undefined) => void) | undefined;
  /** How long a patient call waits for a runtime that has answered before; default 10 s, a slow containerd's restart. */
  readonly patienceMs?: number | undefined;
}

/** 10,000 images with three names each take 3 MB; grpc-js's own limit of 4 MiB fails near 16,000. */
const maxReceiveBytes = 64 * 1024 * 1024;

const channelOptions: ChannelOptions = {
  'grpc.max_receive_message_length': maxReceiveBytes,
  // While the back-off lasts every call fails at once. The defaults (1 s growing to 2 min) suit a network, not a socket
  // on the same machine.
  'grpc.initial_reconnect_backoff_ms': 200,
  'grpc.max_reconnect_backoff_ms': 2_000,
  // A proxy named in the environment has no business with a local socket.
  'grpc.enable_http_proxy': 0,
};

/** One gRPC channel to the runtime: deadlines, cancellation, typed errors, and survival of the runtime's restarts. */
export class CriConnection {
  readonly endpoint: string;
  readonly #socketPath: string;
  readonly #client: Client;
  readonly #methods: Readonly<Record<string, CriMethodDefinition>>;
  readonly #inFlight = new Set<{ cancel(): void }>();
  readonly #patienceMs: number;
  readonly #onHealth: (problem: NodetenderError | undefined) => void;
  #closed = false;
  /** The runtime has answered before: what fails now may be a restart. */
  #hasAnswered = false;
  /** The problem last reported; `unknown` before the first call. */
  #problem: string | undefined = 'unknown';

  /** Throws `usage` where the endpoint is none. Connects with the first call. */
  constructor(options: ConnectionOptions) {
    this.#socketPath = socketPath(options.endpoint);
    this.endpoint = `unix://${this.#socketPath}`;
    const { runtimeService, imageService } = loadCriProtocol();
    this.#methods = { ...runtimeService, ...imageService };
    this.#client = new Client(this.endpoint, credentials.createInsecure(), channelOptions);
    this.#patienceMs = options.patienceMs ?? 10_000;
    this.#onHealth = options.onHealth ?? (() => undefined);
  }

  /** One question, one answer: a plain object of the protocol, unchecked. */
  async ask(method: CriMethod, request: object, options: CallOptions): Promise<unknown> {
    return await this.#persist(method, options, () => this.#unary(method, request, options));
  }

  /** All parts of a streamed answer, or an error: never some of them. `decode` may throw to end the stream. */
  async collect<T>(
    method: CriMethod,
    request: object,
    decode: (part: unknown) => T,
    options: CallOptions,
  ): Promise<T[]> {
    return await this.#persist(method, options, () => this.#stream(method, request, decode, options));
  }

  /** Cancels what is in flight and refuses what comes. */
  close(): void {
    this.#closed = true;
    for (const call of this.#inFlight) call.cancel();
    this.#client.close();
  }

  async #persist<T>(method: CriMethod, options: CallOptions, attempt: () => Promise<T>): Promise<T> {
    this.#refuseWhenStopped(method, options.signal);
    try {
      return await this.#observed(attempt);
    } catch (error) {
      if (!options.patient || !this.#hasAnswered || !isNodetenderError(error, ...restartCodes)) throw error;
    }
    await this.#untilReady(options.signal);
    this.#refuseWhenStopped(method, options.signal);
    return await this.#observed(attempt);
  }

  #refuseWhenStopped(method: CriMethod, signal: AbortSignal | undefined): void {
    if (this.#closed || signal?.aborted === true) throw cancelledError(method);
  }

  async #observed<T>(attempt: () => Promise<T>): Promise<T> {
    try {
      const answer = await attempt();
      this.#hasAnswered = true;
      this.#report(undefined);
      return answer;
    } catch (error) {
      if (isNodetenderError(error, ...unreachableCodes)) this.#report(error);
      else if (isNodetenderError(error) && error.code !== 'runtime/cancelled') this.#report(undefined);
      throw error;
    }
  }

  #report(problem: NodetenderError | undefined): void {
    if (this.#problem === problem?.code) return;
    this.#problem = problem?.code;
    this.#onHealth(problem);
  }

  /** Resolves when connected, when patience ends, or when `signal` aborts: the next attempt tells which. */
  async #untilReady(signal: AbortSignal | undefined): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        signal?.removeEventListener('abort', done);
        resolve();
      };
      signal?.addEventListener('abort', done, { once: true });
      this.#client.waitForReady(Date.now() + this.#patienceMs, done);
    });
  }

  async #unary(method: CriMethod, request: object, options: CallOptions): Promise<unknown> {
    const { path, requestSerialize, responseDeserialize } = this.#definition(method);
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const call: ClientUnaryCall = this.#client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      new Metadata(),
      { deadline: Date.now() + options.deadlineMs },
      (error, response) => (error === null ? resolve(response) : reject(error)),
    );
    return await this.#tracked(method, call, promise, options);
  }

  async #stream<T>(
    method: CriMethod,
    request: object,
    decode: (part: unknown) => T,
    options: CallOptions,
  ): Promise<T[]> {
    const { path, requestSerialize, responseDeserialize } = this.#definition(method);
    const { promise, resolve, reject } = Promise.withResolvers<T[]>();
    const parts: T[] = [];
    const call = this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      new Metadata(),
      {
        deadline: Date.now() + options.deadlineMs,
      },
    );
    call.on('data', (part: unknown) => {
      try {
        parts.push(decode(part));
      } catch (error) {
        reject(error);
        call.cancel();
      }
    });
    call.on('end', () => resolve(parts));
    // Stays attached: the cancellation above arrives as an error after the promise is settled.
    call.on('error', reject);
    return await this.#tracked(method, call, promise, options);
  }

  async #tracked<T>(method: CriMethod, call: { cancel(): void }, answer: Promise<T>, options: CallOptions): Promise<T> {
    const cancel = (): void => call.cancel();
    this.#inFlight.add(call);
    options.signal?.addEventListener('abort', cancel, { once: true });
    try {
      return await answer;
    } catch (error) {
      if (isNodetenderError(error)) throw error;
      this.#refuseWhenStopped(method, options.signal);
      throw await this.#explained(method, error as ServiceError, options);
    } finally {
      this.#inFlight.delete(call);
      options.signal?.removeEventListener('abort', cancel);
    }
  }

  async #explained(method: CriMethod, error: ServiceError, options: CallOptions): Promise<NodetenderError> {
    const call = { method, endpoint: this.endpoint, deadlineMs: options.deadlineMs };
    let { details } = error;
    if (error.code === status.UNAVAILABLE && details.includes('ECONNREFUSED')) {
      // Connecting to a plain file is refused just as connecting to a socket that nobody listens on.
      const kind = await kindOfFile(this.#socketPath);
      if (kind === 'other') details = 'ENOTSOCK: it is not a socket';
    }
    return runtimeError({ code: error.code, details }, call, error);
  }

  #definition(method: CriMethod): CriMethodDefinition {
    const definition = this.#methods[method];
    if (definition === undefined) throw new Error(`proto/cri.proto defines no call ${method}`);
    return definition;
  }
}

/** What a restart of the runtime looks like from here: its socket is gone, or nobody answers on it. */
const restartCodes = ['runtime/unavailable', 'runtime/no-socket'] as const;

/** With these the runtime cannot be talked to at all; any other failure is an answer. */
const unreachableCodes = [
  ...restartCodes,
  'runtime/no-permission',
  'runtime/not-a-cri-server',
  'runtime/cri-disabled',
  'runtime/deadline',
] as const;
