import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bundle, nodeEnvironment, nodeFlags } from '../../scripts/bundle.ts';
import { RuntimeServer } from '../emulators/runtime/server.ts';
import { RuntimeStore } from '../emulators/runtime/store.ts';
import { BenchCluster } from './memorycluster.ts';
import { addressOf, memoryOf, memoryRow as row } from './resident.ts';
import { maximum, median } from './statistics.ts';

/**
 * Resident memory of the bundled agent over many cleanings of many images, beside a bare Node that does nothing.
 * `node test/bench/memory.bench.ts [--cluster] [CYCLES] [IMAGES]`, by default 200 of 1,000. With `--cluster` it is the agent
 * of a Node with 110 pods on a real API server.
 */
const { values: flags, positionals } = parseArgs({ allowPositionals: true, options: { cluster: { type: 'boolean' } } });
const cycles = Number(positionals[0] ?? 200);
const images = Number(positionals[1] ?? 1000);
const app = 'registry.example/bench/application';

/** A server for the agent to clean, and the agent. */
class Bench {
  readonly #store = new RuntimeStore();
  readonly #cluster: BenchCluster | undefined;
  readonly #url: string;
  readonly agent: ChildProcess;
  #runs = 0;

  static async start(directory: string, cluster: BenchCluster | undefined): Promise<Bench> {
    const socketPath = join(directory, 'cri.sock');
    const store = new RuntimeStore();
    for (const image of cluster?.images ?? []) store.addImage({ tags: [image] });
    await new RuntimeServer({ store, socketPath }).start();
    const config = join(directory, 'config.yaml');
    await writeFile(
      config,
      `runtime: {endpoint: "unix://${socketPath}"}
http: {address: "127.0.0.1:0"}
images: {minUnused: 0s, pace: {burst: 64, pause: 0s}, disk: {startAbove: 99%, path: ${directory}}}
cluster: {settle: 0s}
`,
    );
    const member = cluster === undefined ? [] : ['--node-name', cluster.nodeName];
    await bundle({ directory, entry: fileURLToPath(new URL('memory.agent.ts', import.meta.url)) });
    const bundled = [
      ...nodeFlags,
      join(directory, 'nodetender.cjs'),
      'agent',
      '-c',
      config,
      '--state-dir',
      join(directory, 'state'),
      ...member,
    ];
    const env = { ...process.env, ...nodeEnvironment };
    const options = { stdio: ['ignore', 'pipe', 'inherit'], env } satisfies SpawnOptions;
    const agent =
      (await cluster?.spawn([process.execPath, ...bundled], options)) ?? spawn(process.execPath, bundled, options);
    return new Bench(store, cluster, agent, await addressOf(agent));
  }

  private constructor(store: RuntimeStore, cluster: BenchCluster | undefined, agent: ChildProcess, url: string) {
    this.#store = store;
    this.#cluster = cluster;
    this.agent = agent;
    this.#url = url;
  }

  async untilReady(): Promise<void> {
    while ((await fetch(`${this.#url}/readyz`)).status !== 200) await pause();
  }

  /** New images come, are seen, grow old enough, and go. */
  async cycle(number: number): Promise<void> {
    for (let at = 0; at < images; at += 1) {
      const tag = `${app}:${number}.${at}`;
      this.#store.addImage({ tags: [tag] });
      if (at % 20 === 0) this.#store.createContainer({ image: tag, name: `user-${at}` });
    }
    await this.#cluster?.changePods(number);
    await this.#run();
    this.agent.kill('SIGUSR2');
    for (const id of this.#store.containers.keys()) this.#store.removeContainer(id);
    await this.#run();
    // Those in use at the first look were used three minutes ago.
    const left = this.#store.images.size - (this.#cluster?.images.length ?? 0);
    if (left !== 0) throw new Error(`cycle ${number} left ${left} images`);
  }

  async eventLoopDelayMs(): Promise<number> {
    return (await this.#metric('nodetender_run_event_loop_delay_seconds')) * 1000;
  }

  async #run(): Promise<void> {
    this.#runs += 1;
    this.agent.kill('SIGUSR1');
    while ((await this.#metric('nodetender_runs_total{trigger="signal",outcome="done"}')) < this.#runs) await pause();
  }

  async #metric(sample: string): Promise<number> {
    const page = await (await fetch(`${this.#url}/metrics`)).text();
    const line = page.split('\n').find((candidate) => candidate.startsWith(`${sample} `));
    return Number(line?.slice(sample.length + 1) ?? 0);
  }
}

async function pause(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 50));
}

const directory = await mkdtemp(join(tmpdir(), 'nodetender-memory-'));
const cluster = flags.cluster === true ? await BenchCluster.launch() : undefined;
try {
  const env = { ...process.env, ...nodeEnvironment };
  const bare = spawn(process.execPath, [...nodeFlags, '-e', 'setInterval(() => {}, 1000)'], { env });
  await new Promise((resolve) => setTimeout(resolve, 1000));
  console.log(`| ${cycles} cycles of ${images} images | resident MB | anonymous MB |\n| --- | --- | --- |`);
  console.log(row('bare Node', await memoryOf(bare)));
  bare.kill();

  const bench = await Bench.start(directory, cluster);
  await bench.untilReady();
  console.log(row('agent, idle', await memoryOf(bench.agent)));
  const delaysMs: number[] = [];
  const residentMb: number[] = [];
  for (let cycle = 1; cycle <= cycles; cycle += 1) {
    await bench.cycle(cycle);
    delaysMs.push(await bench.eventLoopDelayMs());
    const memory = await memoryOf(bench.agent);
    residentMb.push(memory.residentMb);
    if (cycle % Math.ceil(cycles / 8) === 0 || cycle === 1) console.log(row(`after ${cycle} cycles`, memory));
  }
  delaysMs.sort((a, b) => a - b);
  const at = (share: number): string => (delaysMs[Math.floor((delaysMs.length - 1) * share)] ?? Number.NaN).toFixed(0);
  const half = cycles / 2;
  const medianMb = (of: readonly number[]): string => median(of).toFixed(1);
  console.log(
    `\nResident after each cycle: median ${medianMb(residentMb.slice(0, half))} MB in the first half, ${medianMb(residentMb.slice(half))} MB in the second, ${maximum(residentMb).toFixed(1)} MB at most.`,
  );
  console.log(
    `\nDelay of the event loop, 99th percentile of a run: median ${at(0.5)} ms, worst ${at(1)} ms of all runs.`,
  );
  const ended = once(bench.agent, 'exit');
  bench.agent.kill('SIGTERM');
  await ended;
} finally {
  await cluster?.destroy();
  await rm(directory, { recursive: true, force: true });
}
process.exit(0);
