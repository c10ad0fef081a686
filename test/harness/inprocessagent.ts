import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { runAgent } from '../../agent/agent.ts';
import type { Clock, Random } from '../../agent/clock.ts';
import type { KubernetesPort } from '../../agent/cluster/port.ts';
// Loaded before any agent asks for them: a virtual clock does not wait for a disk.
import '../../agent/duties/eraser.ts';
import '../../agent/duties/node.ts';
import '../../agent/duties/reboot/open.ts';
import { createLogger } from '../../agent/observe/log.ts';
import { inMemoryPort } from '../emulators/runtime/in-memory-port.ts';
import { RuntimeStore } from '../emulators/runtime/store.ts';
import type { LogRecord } from './agentprocess.ts';

export interface InProcessAgentOptions {
  readonly nodeName: string;
  readonly port: KubernetesPort;
  readonly clock: Clock;
  readonly random: Random;
  /** Whether it looks for a sentinel, of its own: nothing reboots this machine. */
  readonly reboots?: boolean;
  /** Told of each line of its log as it is written. */
  readonly onRecord?: (record: LogRecord) => void;
}

/** The agent's own namespace. */
export const agentNamespace = 'nodetender';

/** As for the tests: nothing is served, and a node need not have been Ready for long. */
const configuration = { http: { address: '' }, cluster: { settle: '0s' } };

/**
 * With a sentinel that nobody writes, and a signal by which systemd starts what runs already. No bus and no command is asked whether it
 * would work: a virtual clock does not wait for another process, and its deadlines would pass at random.
 */
function withReboots(directory: string): object {
  const sentinel = { path: join(directory, 'reboot-required') };
  return { ...configuration, reboot: { enabled: true, sentinel, method: 'signal', signal: 34 } };
}

/**
 * A whole agent in this process, wired as in its own, on an emulated runtime: a thousand of them fit beside a real API
 * server, and one lives through hours of a virtual clock. Its state directory is real.
 */
export class InProcessAgent {
  readonly nodeName: string;
  readonly store = new RuntimeStore();
  readonly #options: InProcessAgentOptions;
  readonly #stop = new AbortController();
  readonly #ready = Promise.withResolvers<void>();
  #directory = '';
  #ended: Promise<void> = Promise.resolve();

  private constructor(options: InProcessAgentOptions) {
    this.#options = options;
    this.nodeName = options.nodeName;
  }

  /** Begins; `ready` says when it knows its cluster. */
  static async start(options: InProcessAgentOptions): Promise<InProcessAgent> {
    const agent = new InProcessAgent(options);
    agent.#directory = await mkdtemp(join(tmpdir(), 'nodetender-'));
    const config = join(agent.#directory, 'config.yaml');
    await writeFile(config, JSON.stringify(options.reboots === true ? withReboots(agent.#directory) : configuration));
    agent.#ended = agent.#run(config);
    // Whoever stops it hears of it.
    agent.#ended.catch(() => undefined);
    return agent;
  }

  /** Resolves when it has read what the API server says of its node. Rejects when it has ended before. */
  async ready(): Promise<void> {
    const ended = async (): Promise<void> => {
      await this.#ended;
      throw new Error(`the agent of ${this.nodeName} has ended`);
    };
    await Promise.race([this.#ready.promise, ended()]);
  }

  /** Its own, gone with it. */
  get directory(): string {
    return this.#directory;
  }

  /** Writes the section `reboot` of its configuration anew; the agent notices by itself. */
  async setReboots(reboot: object): Promise<void> {
    await writeFile(join(this.#directory, 'config.yaml'), JSON.stringify({ ...configuration, reboot }));
  }

  /** As a SIGTERM does. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #run(configPath: string): Promise<void> {
    const { nodeName, port, clock, random } = this.#options;
    const runtime = inMemoryPort(this.store, { clock });
    await runAgent({
      configPath,
      overrides: { stateDirectory: this.#directory },
      requests: { stop: this.#stop.signal, onRunNow: () => undefined, onReload: () => undefined },
      connect: async (_endpoint, onHealth) => {
        onHealth(undefined);
        return { ...runtime, endpoint: 'unix:///emulated.sock' };
      },
      join: async () => ({ port, server: 'https://emulated', nodeName, namespace: agentNamespace }),
      build: { version: '0.0.0', commit: 'test' },
      log: createLogger({ level: 'info', stream: { write: (line) => this.#logged(line) } }),
      clock,
      random,
    });
  }

  #logged(line: string): void {
    const record = JSON.parse(line) as LogRecord;
    if (record.msg === 'cluster is known') this.#ready.resolve();
    this.#options.onRecord?.(record);
  }
}
