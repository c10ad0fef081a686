import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { mainScript } from './command.ts';
import { eventually } from './eventually.ts';
import type { RebootingHost } from './rebootinghost.ts';
import type { ServiceAccountMount } from './serviceaccount.ts';

/** One line of the agent's log. */
export type LogRecord = Readonly<Record<string, unknown>> & { readonly msg: string };

export interface AgentSettings {
  readonly endpoint: string;
  /** Also where its configuration is written. */
  readonly stateDirectory: string;
  /** The `images` section of its configuration, in YAML's JSON subset. */
  readonly images: object;
  /** The cluster that it is a member of. */
  readonly cluster?: ClusterAccess & {
    readonly nodeName: string;
    /** The `cluster` section of its configuration. */
    readonly settings?: object;
  };
  /** Reboots are on, of this host, by the `reboot` section of its configuration. */
  readonly reboots?: { readonly host: RebootingHost; readonly settings: object };
  /** Where it serves its metrics; nowhere when left out. */
  readonly httpAddress?: string;
  /** How far its wall clock is ahead of the real one. */
  readonly clockOffsetMs?: number;
}

/** A kubeconfig's path, or what the kubelet gives a pod: a mounted service account, and an API server on 127.0.0.1. */
export type ClusterAccess =
  | { readonly kubeconfig: string }
  | { readonly serviceAccount: ServiceAccountMount; readonly port: number };

const RUN_DEADLINE_MS = 120_000;

/** `nodetender agent` in a process of its own, watched through its log. */
export class AgentProcess {
  readonly #process: ChildProcess;
  readonly #heapFile: string;
  /** The path of its configuration. */
  readonly #config: string;
  readonly records: LogRecord[] = [];
  readonly #errors: string[] = [];

  private constructor(process: ChildProcess, files: { readonly heapFile: string; readonly config: string }) {
    this.#process = process;
    this.#heapFile = files.heapFile;
    this.#config = files.config;
    if (process.stdout === null || process.stderr === null) throw new Error('the agent has no output');
    createInterface({ input: process.stdout }).on('line', (line) => this.records.push(JSON.parse(line) as LogRecord));
    createInterface({ input: process.stderr }).on('line', (line) => this.#errors.push(line));
  }

  /** Resolves when it has reached the runtime. */
  static async start(settings: AgentSettings): Promise<AgentProcess> {
    const { endpoint, stateDirectory, images, cluster, reboots, httpAddress = '', clockOffsetMs = 0 } = settings;
    const config = join(stateDirectory, 'config.yaml');
    const content = {
      stateDirectory,
      runtime: { endpoint },
      http: { address: httpAddress },
      images,
      ...(cluster?.settings === undefined ? {} : { cluster: cluster.settings }),
      ...(reboots === undefined ? {} : { reboot: reboots.settings }),
    };
    const membership = [
      ...(cluster === undefined ? [] : ['--node-name', cluster.nodeName]),
      ...(cluster !== undefined && 'kubeconfig' in cluster ? ['--kubeconfig', cluster.kubeconfig] : []),
    ];
    await writeFile(config, JSON.stringify(content));
    const heapFile = join(stateDirectory, 'heap-bytes');
    const preloads = ['clockoffset.ts', 'heapprobe.ts'].map((name) => fileURLToPath(new URL(name, import.meta.url)));
    const imports = preloads.flatMap((path) => ['--import', path]);
    const node = [process.execPath, '--expose-gc', ...imports];
    const agentCommand = [
      ...node,
      mainScript,
      'agent',
      '--config',
      config,
      '--state-dir',
      stateDirectory,
      ...membership,
    ];
    const pod = cluster !== undefined && 'serviceAccount' in cluster ? cluster : undefined;
    const inPod = pod?.serviceAccount.command(agentCommand) ?? agentCommand;
    const [program = '', ...args] = (await reboots?.host.command(inPod)) ?? inPod;
    const probes = { NODETENDER_CLOCK_OFFSET_MS: String(clockOffsetMs), NODETENDER_HEAP_FILE: heapFile };
    const server =
      pod === undefined ? {} : { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(pod.port) };
    const env = { ...process.env, ...probes, ...server, ...reboots?.host.environment };
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const agent = new AgentProcess(child, { heapFile, config });
    await agent.logged('container runtime');
    return agent;
  }

  get pid(): number {
    if (this.#process.pid === undefined) throw new Error('the agent was not started');
    return this.#process.pid;
  }

  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** The first record with one of these messages after the first `after` ones. Rejects at once when the agent has ended. */
  async logged(messages: string | readonly string[], after = 0): Promise<LogRecord> {
    const wanted = [messages].flat();
    const find = () => this.records.slice(after).find(({ msg }) => wanted.includes(msg));
    const record = await eventually(
      `the agent logs ${wanted.join(' or ')}`,
      () => find() ?? (this.isRunning ? undefined : 'ended'),
      RUN_DEADLINE_MS,
    );
    if (record === 'ended') throw new Error(`the agent has ended: ${this.tail()}`);
    return record;
  }

  /** These sections of its configuration in place of those it has; it sees that by itself. */
  async configure(sections: object): Promise<void> {
    const before = JSON.parse(await readFile(this.#config, 'utf8')) as object;
    await writeFile(this.#config, JSON.stringify({ ...before, ...sections }));
  }

  /** Asks for a run and waits for its end. */
  async run(): Promise<LogRecord> {
    const after = this.records.length;
    await this.beginRun();
    return await this.logged('run ended', after);
  }

  /** Asks for a run and waits until it begins. */
  async beginRun(): Promise<void> {
    const after = this.records.length;
    this.#process.kill('SIGUSR1');
    const tooEarly = 'a run was asked for, but the container runtime is not reached yet';
    const answer = await this.logged(['run began', tooEarly], after);
    if (answer.msg === tooEarly) await this.beginRun();
  }

  /** What is left on its heap when all garbage is collected. */
  async heapBytes(): Promise<number> {
    await rm(this.#heapFile, { force: true });
    this.#process.kill('SIGUSR2');
    return await eventually('the agent tells its heap', async () => Number(await readFile(this.#heapFile, 'utf8')));
  }

  /** As the OOM killer or a power cut would end it. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  tail(): string {
    return [...this.records.slice(-20).map((record) => JSON.stringify(record)), ...this.#errors].join('\n');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (!this.isRunning) return;
    const exited = once(this.#process, 'exit');
    this.#process.kill(signal);
    await exited;
  }
}
