import type { Clock } from '../clock.ts';
import { NodetenderError } from '../errors.ts';
import { measureDisk } from '../host/disk.ts';
import { paceOf } from '../images/pace.ts';
import type { Report } from '../images/report.ts';
import { parseRule } from '../images/rules.ts';
import { acquireRunLock } from '../images/runlock.ts';
import { runCleaning, type RunDisk } from '../images/runner.ts';
import { type CleanRequest, FLOOR_MS, personPolicy } from '../policies.ts';
import { exitStatus, type Host } from './host.ts';
import { reportToJson } from './json.ts';
import { type Node, withNode } from './node.ts';
import type { NodeOptions } from './options.ts';
import { ProgressDisplay } from './progress.ts';
import { printReport } from './summary.ts';

export interface CleanOptions extends NodeOptions {
  readonly dryRun?: boolean;
  readonly now?: boolean;
  /** Milliseconds. */
  readonly minUnused?: number;
  readonly keep: readonly string[];
  readonly pace?: 'gentle' | 'fast';
  readonly output: 'text' | 'json';
}

/** `nodetender clean`: removes unused images, once. */
export async function cleanCommand(patterns: readonly string[], options: CleanOptions, host: Host): Promise<number> {
  const request = requestOf(patterns, options);
  return await withNode(options, host.stop, async (node) => {
    const { terminal, stop } = host;
    const progress = new ProgressDisplay(terminal);
    const dryRun = options.dryRun === true;
    // What is known of old says nothing of an image that was pulled again since.
    const isFirstSight = !(node.history.origin === 'ok' && node.history.isCurrent) && !request.now;
    const lock = dryRun ? undefined : await acquireRunLock({ directory: node.stateDirectory, clock: node.clock });
    let report: Report;
    try {
      if (lock?.problem !== undefined) terminal.err(`note: ${lock.problem.message}\n`);
      if (isFirstSight && !dryRun) {
        await lookTwice(node, host, progress);
        if (stop.aborted) return exitStatus.interrupted;
      }
      // A dry run does not wait for the second look: it shows what that would find at best.
      const policy = personPolicy(node.config.images, dryRun && isFirstSight ? { ...request, now: true } : request);
      report = await runCleaning({
        trigger: 'command',
        dryRun,
        port: node.runtime,
        gatherer: node.gatherer,
        history: node.history,
        policy: () => policy,
        pace: paceOf(options.pace ?? node.config.images.pace),
        clock: node.clock,
        random: Math.random,
        signal: stop,
        disk: imagesDisk(node),
        onProgress: (state) => progress.show(state),
      });
    } finally {
      progress.clear();
      await lock?.release();
    }
    const source = { endpoint: node.runtime.endpoint, history: node.history.origin };
    if (options.output === 'json') terminal.out(reportToJson(source, report));
    else printReport(terminal, report, dryRun && isFirstSight);
    return statusOf(report);
  });
}

function requestOf(patterns: readonly string[], options: CleanOptions): CleanRequest {
  if (patterns.length > 0 && options.minUnused !== undefined) {
    throw new NodetenderError(
      'usage',
      '--min-unused does not go with patterns: what a pattern names goes whatever its age. Give one or the other',
    );
  }
  return {
    patterns: patterns.map(parseRule),
    minUnusedMs: options.minUnused,
    keep: options.keep.map(parseRule),
    now: options.now === true,
  };
}

/**
 * Between the pull of an image and its first container nothing shows that it is needed. Where no agent has kept watch, a
 * first look and the floor's wait tell what has been there for long enough.
 */
async function lookTwice(
  { gatherer, clock }: Node,
  { terminal, stop }: Host,
  progress: ProgressDisplay,
): Promise<void> {
  await gatherer.gather(stop);
  terminal.err(
    `nobody has watched this node's images of late: looking twice, ${FLOOR_MS / 60_000} minutes apart, so that none goes that was pulled this moment (--now skips the wait)\n`,
  );
  await countDown(FLOOR_MS, clock, stop, (seconds) => progress.say(`second look in ${seconds} s`));
  progress.clear();
}

async function countDown(ms: number, clock: Clock, stop: AbortSignal, say: (seconds: number) => void): Promise<void> {
  const endMs = clock.monotonicMs() + ms;
  for (;;) {
    const leftMs = endMs - clock.monotonicMs();
    if (leftMs <= 0 || stop.aborted) return;
    say(Math.ceil(leftMs / 1000));
    await clock.sleep(Math.min(1000, leftMs), stop);
  }
}

function imagesDisk({ config, runtime }: Node): RunDisk {
  return {
    measure: async () => {
      const path = config.images.disk?.path ?? (await runtime.imageFilesystems())[0]?.mountpoint;
      if (path === undefined) throw new NodetenderError('host/no-statfs', 'the runtime names no file system of images');
      return await measureDisk(path);
    },
  };
}

function statusOf({ outcome, failed }: Report): number {
  if (outcome === 'stopped') return exitStatus.interrupted;
  return outcome === 'failed' || failed.length > 0 ? exitStatus.failed : exitStatus.done;
}
