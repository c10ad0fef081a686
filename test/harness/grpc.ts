import { fileURLToPath } from 'node:url';

import { Client, credentials, loadPackageDefinition, Metadata, type ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const CALL_DEADLINE_MS = 10 * 60_000;

/** One service of a .proto file beside this one, its unary calls by name. Calls wait for a server that is starting. */
export class Service {
  readonly #client: Client;
  readonly #methods: ServiceClientConstructor['service'];

  constructor(endpoint: string, protoFile: string, serviceName: string) {
    const definition = loadSync(fileURLToPath(new URL(protoFile, import.meta.url)), {
      keepCase: true,
      longs: Number,
      enums: String,
      defaults: true,
    });
    let node: unknown = loadPackageDefinition(definition);
    for (const part of serviceName.split('.')) node = (node as Record<string, unknown>)[part];
    const constructor = node as ServiceClientConstructor;
    this.#methods = constructor.service;
    this.#client = new Client(endpoint, credentials.createInsecure(), {
      'grpc.max_receive_message_length': 64 * 1024 * 1024,
      'grpc.initial_reconnect_backoff_ms': 50,
      'grpc.max_reconnect_backoff_ms': 200,
      // Not shared with the code under test: what closes there must not close here.
      'grpc.use_local_subchannel_pool': 1,
    });
  }

  async call<Response>(
    name: string,
    request: object,
    metadata: Readonly<Record<string, string>> = {},
    deadlineMs = CALL_DEADLINE_MS,
  ): Promise<Response> {
    const method = this.#methods[name];
    if (method === undefined) throw new Error(`the .proto file has no call ${name}`);
    const waiting = new Metadata({ waitForReady: true });
    for (const [key, value] of Object.entries(metadata)) waiting.set(key, value);
    return await new Promise<Response>((resolve, reject) => {
      this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        waiting,
        { deadline: Date.now() + deadlineMs },
        (error, response) => {
          if (error) reject(error);
          else resolve(response as Response);
        },
      );
    });
  }

  close(): void {
    this.#client.close();
  }
}
