import { rm } from 'node:fs/promises';
import {
  Server,
  ServerCredentials,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServerWritableStream,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { grpcStatus } from '../../../agent/runtime/errors.ts';
import { type CriMethodDefinition, loadCriProtocol } from '../../../agent/runtime/proto.ts';
import { type Answer, answerers, streamed } from './answers.ts';
import { Faults, type Method } from './faults.ts';
import { type RuntimeStore, StoreError } from './store.ts';

type Request = Record<string, Record<string, string> | string | boolean | undefined>;

export interface ServerOptions {
  readonly store: RuntimeStore;
  readonly socketPath: string;
  readonly faults?: Faults;
  /** Answer StreamImages and StreamContainers, as CRI 1.36 does; default false. */
  readonly streams?: boolean;
  /** Serve gRPC, but not CRI: containerd with `disabled_plugins = ["cri"]`. */
  readonly criDisabled?: boolean;
}

/** A container runtime over its store, on a real Unix socket with real gRPC. */
export class RuntimeServer {
  readonly endpoint: string;
  readonly faults: Faults;
  readonly #options: ServerOptions;
  #server: Server | undefined;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.endpoint = `unix://${options.socketPath}`;
    this.faults = options.faults ?? new Faults();
  }

  async start(): Promise<void> {
    // 10,000 images in one message, as containerd's own limit of 16 MiB allows.
    const server = new Server({ 'grpc.max_send_message_length': 128 * 1024 * 1024 });
    const { runtimeService, imageService } = loadCriProtocol();
    for (const service of [runtimeService, imageService]) this.#serve(server, service);
    await rm(this.#options.socketPath, { force: true });
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(this.endpoint, ServerCredentials.createInsecure(), (error) =>
        error === null ? resolve() : reject(error),
      );
    });
    this.#server = server;
  }

  /** Dies at once: connections are cut, removals in flight are lost half way, the socket goes. */
  async stop(): Promise<void> {
    this.#options.store.crash();
    this.#server?.forceShutdown();
    this.#server = undefined;
    await rm(this.#options.socketPath, { force: true });
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  #serve(server: Server, service: Readonly<Record<string, CriMethodDefinition>>): void {
    const definition: Record<string, CriMethodDefinition> = {};
    const handlers: UntypedServiceImplementation = {};
    for (const [name, method] of Object.entries(service)) {
      if (method.responseStream && this.#options.streams !== true) continue;
      definition[name] = { ...method, responseSerialize: rawOr(method.responseSerialize) };
      handlers[name] = method.responseStream
        ? (call: ServerWritableStream<Request, Answer>) => void this.#answerStream(name as Method, call)
        : (call: ServerUnaryCall<Request, Answer>, callback: sendUnaryData<Answer>) =>
            void this.#answerUnary(name as Method, call.request, callback);
    }
    server.addService(definition, handlers);
  }

  async #answerUnary(method: Method, request: Request, callback: sendUnaryData<Answer>): Promise<void> {
    try {
      callback(null, await this.#answer(method, request));
    } catch (error) {
      callback(asStatus(error));
    }
  }

  async #answerStream(method: Method, call: ServerWritableStream<Request, Answer>): Promise<void> {
    try {
      for (const part of streamed(await this.#answer(method, call.request))) call.write(part);
      call.end();
    } catch (error) {
      call.emit('error', asStatus(error));
    }
  }

  async #answer(method: Method, request: Request): Promise<Answer> {
    if (this.#options.criDisabled === true) throw new StoreError(12, 'unknown service runtime.v1.RuntimeService');
    const argument = argumentOf(request);
    const fault = this.faults.take(method, argument);
    if (fault?.latencyMs !== undefined) await this.#options.store.clock.sleep(fault.latencyMs);
    if (fault?.hang === true) return await new Promise<never>(() => undefined);
    if (fault?.error !== undefined) throw new StoreError(fault.error.code, fault.error.details);
    const answer = await answerers[method](this.#options.store, argument);
    if (fault?.cut === true) {
      // The work is done and nobody hears of it.
      await this.restart();
      return await new Promise<never>(() => undefined);
    }
    return fault?.corrupt?.(answer) ?? answer;
  }
}

/** Every request of ours has at most one argument: an image, a container or a sandbox. */
function argumentOf(request: Request): string {
  const { image, containerId, podSandboxId, verbose } = request;
  if (verbose === true && podSandboxId === undefined) return 'verbose';
  const argument = typeof image === 'object' ? image.image : (containerId ?? podSandboxId);
  return typeof argument === 'string' ? argument : '';
}

/** Lets a fault answer with bytes of its own. */
function rawOr(serialize: (value: object) => Buffer): (value: object) => Buffer {
  return (value) => (value instanceof Uint8Array ? Buffer.from(value) : serialize(value));
}

function asStatus(error: unknown): { code: number; details: string } {
  if (error instanceof StoreError) return { code: error.grpcCode, details: error.message };
  return { code: grpcStatus.internal, details: String(error) };
}
