import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { fileURLToPath } from 'node:url';

const keeper = fileURLToPath(new URL('doorkeeper.ts', import.meta.url));

/** A port of 127.0.0.1 that leads to one in another network: all that the machine itself can reach there. */
export class Door {
  readonly port: number;
  readonly #keeper: ChildProcess;

  private constructor(port: number, keeper: ChildProcess) {
    this.port = port;
    this.#keeper = keeper;
  }

  /** `enter` is a command line that runs another in that network. */
  static async open(enter: readonly string[], to: { readonly host: string; readonly port: number }): Promise<Door> {
    const [execPath, ...rest] = enter;
    const execArgv = [...rest, process.execPath];
    const child = fork(keeper, [to.host, String(to.port)], {
      ...(execPath === undefined ? {} : { execPath }),
      execArgv,
    });
    await once(child, 'spawn');
    // A socket belongs to the network that it was made in, whoever holds it.
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await handOver(child, server);
    return new Door(port, child);
  }

  async close(): Promise<void> {
    if (this.#keeper.exitCode !== null || this.#keeper.signalCode !== null) return;
    const exited = once(this.#keeper, 'exit');
    this.#keeper.kill('SIGKILL');
    await exited;
  }
}

async function handOver(child: ChildProcess, server: Server): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  child.send('listen', server, {}, (error) => (error === null ? resolve() : reject(error)));
  await promise;
  const closed = once(server, 'close');
  server.close();
  await closed;
}
