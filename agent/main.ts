import { exitStatus, type Host } from './cli/host.ts';
import { runCommandLine } from './cli/program.ts';
import { processTerminal } from './cli/terminal.ts';

const terminal = processTerminal();
const stop = new AbortController();
const listeners = new Map<string, () => void>();
let reportCrash = (error: unknown): void => {
  terminal.err(`defect: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
};

/** The first asks; the second insists: removals under way then go on in the runtime, unobserved. */
function askToStop(signal: NodeJS.Signals): void {
  if (stop.signal.aborted) process.exit(exitStatus.interrupted);
  stop.abort(signal);
}

process.on('SIGINT', askToStop);
process.on('SIGTERM', askToStop);
// A closed terminal must not cut removals off half way, and the agent takes this signal as a wish to reload.
process.on('SIGHUP', () => (listeners.get('SIGHUP') ?? (() => askToStop('SIGHUP')))());
// Without a listener it would start Node's debugger. (Node's --disable-sigusr1 keeps it from us, too.)
process.on('SIGUSR1', () => listeners.get('SIGUSR1')?.());

function crash(error: unknown): void {
  reportCrash(error);
  process.exit(exitStatus.failed);
}
process.on('unhandledRejection', crash);
process.on('uncaughtException', crash);

const host: Host = {
  terminal,
  env: process.env,
  stop: stop.signal,
  onSignal: (name, listener) => listeners.set(name, listener),
  onCrash: (report) => {
    reportCrash = report;
  },
};

async function main(): Promise<void> {
  process.exitCode = await runCommandLine(process.argv.slice(2), host);
}
// Not awaited: a bundle in CommonJS cannot wait at the top level. A rejection ends in crash().
void main();
