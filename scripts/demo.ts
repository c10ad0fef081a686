import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, constants, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { isNodetenderError } from '../agent/errors.ts';
import { findRuntimeEndpoint, socketPath } from '../agent/runtime/sockets.ts';
import { measuredCost } from '../test/emulators/runtime/garbage-collector.ts';
import { liveThroughPast } from '../test/emulators/runtime/past.ts';
import { fillRealistically } from '../test/emulators/runtime/realistic.ts';
import { RuntimeServer } from '../test/emulators/runtime/server.ts';
import { RuntimeStore } from '../test/emulators/runtime/store.ts';

/** The real commands and the real agent, as processes, against an emulated containerd that lives in this one. */

const stay = process.argv.includes('--stay');
const launcher = join(import.meta.dirname, 'nodetender');
const directory = await mkdtemp(join(tmpdir(), 'nodetender-demo-'));
const children = new Set<ChildProcess>();
/** Nothing here takes longer; a demonstration that hangs shows nothing. */
const deadlineMs = 60_000;

const configuration = `# The demonstration's configuration
http: { address: 127.0.0.1:0 }
images:
  minUnused: 7d
  keep:
    - registry.example/platform/*
  keepNewestTags:
    - { repository: registry.example/shop/*, count: 2 }
`;

try {
  await demonstrate();
} finally {
  for (const child of children) child.kill('SIGKILL');
  await rm(directory, { recursive: true, force: true });
}

async function demonstrate(): Promise<void> {
  const store = new RuntimeStore({ cost: measuredCost });
  fillRealistically(store, { images: 300, seed: 1 });
  const server = new RuntimeServer({ store, socketPath: join(directory, 'containerd.sock') });
  await server.start();
  const state = join(directory, 'state');
  await liveThroughPast(store, { directory: state, days: 12, nowMs: Date.now() });
  const config = join(directory, 'nodetender.yaml');
  await writeFile(config, configuration);
  const node = ['--runtime-endpoint', server.endpoint, '--state-dir', state, '--config', config];

  say(
    `A node: ${store.images.size} images, ${store.containers.size} containers, an agent that has watched for 12 days.`,
  );
  print(configuration.replaceAll(/^/gm, '    '));

  say('What is there, what would happen to it, and why');
  await command(['images', ...node], { lines: 14 });

  say('What a cleaning by the policy would remove: a dry run');
  await command(['clean', '--dry-run', '--min-unused', '7d', ...node], { lines: 8 });

  const lastToGo = lastPlannedTag(await run(['clean', '--dry-run', '--min-unused', '7d', '-o', 'json', ...node]));

  say('The agent. It is told to clean now (SIGUSR1), and meanwhile a pod starts from an image that was to go');
  const agent = await startAgent(node);
  agent.process.kill('SIGUSR1');
  await agent.logged('run began');
  await aPodStartsMeanwhile(store, lastToGo);
  const end = await agent.logged('run ended');
  const { removed, skipped, failed, kept } = end as Record<string, number>;
  print(`    ${removed} removed, ${skipped} left after all, ${failed} failed, ${kept} kept; `);
  print(`${store.images.size} images are on the node now.\n`);

  say(`Metrics: ${agent.metricsAddress}`);
  print(await chosenMetrics(agent.metricsAddress));

  if (stay) {
    say('The agent stays until Ctrl-C. The same node, for commands of yours:');
    print(`    scripts/nodetender images ${node.join(' ')}\n`);
    await once(process, 'SIGINT');
  }
  agent.process.kill('SIGTERM');
  await once(agent.process, 'exit');
  await server.stop();
  await sayHowToUseIt();
}

interface RunningAgent {
  readonly process: ChildProcess;
  readonly metricsAddress: string;
  /** The next line of the log with this message. */
  logged(message: string): Promise<Record<string, unknown>>;
}

/** Starts the agent, and shows the lines of its log that matter here. */
async function startAgent(node: readonly string[]): Promise<RunningAgent> {
  const child = spawn(launcher, ['agent', ...node], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  const seen: Record<string, unknown>[] = [];
  const waiting = new Map<string, (line: Record<string, unknown>) => void>();
  let shown = 0;
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text) as Record<string, unknown>;
    const { msg, image, reason } = line as { msg: string; image?: string; reason?: string };
    const isMany = msg === 'image removed';
    if (isMany) shown += 1;
    if (!isMany || shown <= 5) print(`    ${msg}${image === undefined ? '' : ` ${image}: ${reason}`}\n`);
    if (isMany && shown === 6) print('    …\n');
    seen.push(line);
    waiting.get(msg)?.(line);
  });
  const logged = async (message: string): Promise<Record<string, unknown>> => {
    const found = seen.find(({ msg }) => msg === message);
    if (found) return found;
    return await new Promise((resolve, reject) => {
      const overdue = setTimeout(() => reject(new Error(`the agent did not log "${message}"`)), deadlineMs);
      waiting.set(message, (line) => {
        clearTimeout(overdue);
        resolve(line);
      });
    });
  };
  const { port } = await logged('metrics and health are served');
  await logged('container runtime');
  return { process: child, metricsAddress: `http://127.0.0.1:${String(port)}/metrics`, logged };
}

/** As soon as the first image is gone, a container starts from one that would go last. */
async function aPodStartsMeanwhile(store: RuntimeStore, tag: string): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  while (store.removals.length === 0 && Date.now() < deadline) await delay(5);
  const pod = { namespace: 'search', name: 'rollback-7d9f', uid: 'rollback' };
  store.createContainer({ image: tag, name: 'app', pod });
}

async function chosenMetrics(address: string): Promise<string> {
  const page = await (await fetch(address, { signal: AbortSignal.timeout(deadlineMs) })).text();
  const chosen = page.split('\n').filter((line) => /^nodetender_(images|run|build|last)[a-z_]*[{ ]/.test(line));
  return `${chosen
    .filter((line) => !line.includes('_bucket') && !line.endsWith(' 0'))
    .map((line) => `    ${line}`)
    .join('\n')}\n`;
}

/** Runs a command as a person would; shows the beginning of what it prints, and its end. */
async function command(args: readonly string[], { lines }: { readonly lines: number }): Promise<void> {
  print(`    $ nodetender ${args.slice(0, args.indexOf('--runtime-endpoint')).join(' ')}\n`);
  const all = (await run(args)).trimEnd().split('\n');
  const shown = all.length <= lines + 6 ? all : [...all.slice(0, lines), '…', ...all.slice(-5)];
  print(`${shown.map((line) => `    ${line}`).join('\n')}\n`);
}

/** All that a command prints. */
async function run(args: readonly string[]): Promise<string> {
  const columns = Math.max(100, process.stdout.columns ?? 160) - 4;
  // One pipe for both, as on a terminal.
  const child = spawn('sh', ['-c', 'exec "$0" "$@" 2>&1', launcher, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, COLUMNS: String(columns) },
  });
  children.add(child);
  let text = '';
  child.stdout.on('data', (chunk) => (text += String(chunk)));
  const [status] = (await once(child, 'close')) as [number | null];
  children.delete(child);
  if (status !== 0) throw new Error(`nodetender ${args.join(' ')} ended with status ${status}: ${text}`);
  return text;
}

function lastPlannedTag(json: string): string {
  const { planned } = JSON.parse(json) as { planned: { tags: string[] }[] };
  const tag = planned.findLast(({ tags }) => tags.length > 0)?.tags[0];
  if (tag === undefined) throw new Error('the dry run plans to remove no image with a tag');
  return tag;
}

async function sayHowToUseIt(): Promise<void> {
  try {
    const endpoint = await findRuntimeEndpoint();
    await access(socketPath(endpoint), constants.R_OK | constants.W_OK);
    say(`This machine has a container runtime at ${endpoint}. To see what would go there, changing nothing:`);
    print('    npx nodetender images\n    npx nodetender clean --dry-run\n');
  } catch (error) {
    if (!isNodetenderError(error) && !(error instanceof Error && 'code' in error)) throw error;
    say('No container runtime of this machine can be reached. On a host with one, as root:');
    print('    npx nodetender images\n    npx nodetender clean --dry-run\n');
  }
}

function say(text: string): void {
  const bold = process.stdout.isTTY && !process.env['NO_COLOR'];
  print(bold ? `\n\u001B[1m${text}\u001B[22m\n\n` : `\n${text}\n\n`);
}

function print(text: string): void {
  process.stdout.write(text);
}
