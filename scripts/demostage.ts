import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Runs the real commands and agents as processes, and shows what they say. */

/** Nothing in a demonstration takes longer; one that hangs shows nothing. */
export const deadlineMs = 60_000;

const launcher = join(import.meta.dirname, 'nodetender');
const children = new Set<ChildProcess>();

/** Ends whatever still runs. */
export function clearStage(): void {
  for (const child of children) child.kill('SIGKILL');
}

export function say(text: string): void {
  const bold = process.stdout.isTTY && !process.env['NO_COLOR'];
  print(bold ? `\n\u001B[1m${text}\u001B[22m\n\n` : `\n${text}\n\n`);
}

export function print(text: string): void {
  process.stdout.write(text);
}

export interface Excerpt {
  /** How many lines of the beginning are shown; the last five are, too. */
  readonly lines: number;
  /** Arguments that a person would not type, and that are not shown. */
  readonly unseen?: readonly string[];
}

/** Runs a command as a person would; shows the beginning of what it prints, and its end. */
export async function command(args: readonly string[], { lines, unseen = [] }: Excerpt): Promise<void> {
  const typed = args.map((arg) => (/\s/.test(arg) ? `'${arg}'` : arg)).join(' ');
  print(`    $ nodetender ${typed}\n`);
  const all = (await run([...args, ...unseen])).trimEnd().split('\n');
  const shown = all.length <= lines + 6 ? all : [...all.slice(0, lines), '…', ...all.slice(-5)];
  print(`${shown.map((line) => `    ${line}`).join('\n')}\n`);
}

/** All that a command prints. */
export async function run(args: readonly string[]): Promise<string> {
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

export type LogLine = Readonly<Record<string, unknown>> & {
  readonly msg: string;
  readonly image?: string;
  readonly reason?: string;
};

export interface RunningAgent {
  readonly process: ChildProcess;
  /** The first line of the log with this message. */
  logged(message: string): Promise<LogLine>;
  /** Asks it to stop, and waits until it has. */
  stop(): Promise<void>;
  /** As the end of its machine does. */
  kill(): Promise<void>;
}

/** Starts an agent; `onLine` is told of each line of its log. */
export function startAgent(
  args: readonly string[],
  onLine: (line: LogLine) => void,
  environment: Readonly<Record<string, string>> = {},
): RunningAgent {
  const env = { ...process.env, ...environment };
  const child = spawn(launcher, ['agent', ...args], { stdio: ['ignore', 'pipe', 'inherit'], env });
  children.add(child);
  const seen = new Map<string, LogLine>();
  const waiting = new Map<string, (line: LogLine) => void>();
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text) as LogLine;
    onLine(line);
    if (!seen.has(line.msg)) seen.set(line.msg, line);
    waiting.get(line.msg)?.(line);
  });
  return {
    process: child,
    logged: async (message) =>
      seen.get(message) ??
      (await new Promise((resolve, reject) => {
        const overdue = setTimeout(() => reject(new Error(`the agent did not log "${message}"`)), deadlineMs);
        waiting.set(message, (line) => {
          clearTimeout(overdue);
          resolve(line);
        });
      })),
    stop: () => end(child, 'SIGTERM'),
    kill: () => end(child, 'SIGKILL'),
  };
}

/** A command that goes on until it is stopped; `onLine` is told of each line that it prints. Resolves with the first. */
export async function follow(
  args: readonly string[],
  onLine: (line: string) => void,
): Promise<{ stop(): Promise<void> }> {
  const child = spawn(launcher, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  const lines = createInterface({ input: child.stdout });
  lines.on('line', onLine);
  await once(lines, 'line', { signal: AbortSignal.timeout(deadlineMs) });
  return { stop: () => end(child, 'SIGINT') };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  children.delete(child);
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}
