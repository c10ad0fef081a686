// Removes every unused image of one containerd with the agent's own code, as a process of its own. On a node the agent is
// there, and has looked, long before it cleans: this one says `ready` when it has, waits for a line, cleans, and prints what
// it noticed of itself. Usage: clean.bench.ts ENDPOINT gentle|fast
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';

import { systemClock } from '../../agent/clock.ts';
import { Gatherer } from '../../agent/images/gather.ts';
import { History } from '../../agent/images/history.ts';
import { paceOf } from '../../agent/images/pace.ts';
import { runCleaning } from '../../agent/images/runner.ts';
import { parseRule } from '../../agent/images/rules.ts';
import { connectRuntime } from '../../agent/runtime/cri.ts';
import { podImage } from './removal.ts';
import type { Told } from './strategies.ts';

const RESOLUTION_MS = 10;

const [endpoint, pace] = process.argv.slice(2);
if (endpoint === undefined || (pace !== 'gentle' && pace !== 'fast')) throw new Error('usage: ENDPOINT gentle|fast');

const directory = await mkdtemp(join(tmpdir(), 'nodetender-bench-'));
const port = connectRuntime({ endpoint });
try {
  const clock = systemClock;
  const history = await History.open({ directory, clock });
  const gatherer = new Gatherer({ port, history, clock });
  await gatherer.gather();
  // Long before: by then no pod has come or gone for a while.
  await clock.sleep(2000);
  process.stdout.write('ready\n');
  await once(process.stdin, 'data');
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  const report = await runCleaning({
    trigger: 'command',
    dryRun: false,
    port,
    gatherer,
    history,
    policy: () => ({
      minUnusedMs: 0,
      floorMs: 0,
      removeUnused: true,
      keep: [parseRule(podImage)],
      remove: [],
      requested: undefined,
      keepPreloaded: false,
      keepNewestTags: [],
      keepSystemImages: true,
      removeOrphans: true,
      orphanAfterMs: 60_000,
      budget: { images: undefined, bytes: undefined },
    }),
    pace: paceOf(pace),
    clock,
    random: Math.random,
  });
  delay.disable();
  if (report.outcome !== 'done' || report.failed.length > 0) throw new Error(JSON.stringify(report, undefined, 1));
  // The histogram counts from the resolution up, in nanoseconds.
  const told: Told = { eventLoopDelayMs: Math.max(0, delay.percentile(99) / 1e6 - RESOLUTION_MS) };
  process.stdout.write(`${JSON.stringify(told)}\n`);
} finally {
  port.close();
  await rm(directory, { recursive: true });
}
