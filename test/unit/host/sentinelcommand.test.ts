import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { SentinelCommand } from '../../../agent/host/sentinelcommand.ts';
import { VirtualClock } from '../../emulators/clock.ts';

const EVERY_MS = 60_000;
const DEADLINE_MS = 10_000;
/** Shells start late where the machine is busy. */
const patience = { interval: 5, timeout: 20_000 };

describe('a sentinel command', () => {
  let clock: VirtualClock;
  let stop: AbortController;
  let following: Promise<void>;

  beforeEach(() => {
    clock = new VirtualClock();
    stop = new AbortController();
    following = Promise.resolve();
  });
  afterEach(async () => {
    stop.abort();
    await following;
  });

  /** Resolves when the command has been judged for the first time. */
  async function follow(...command: string[]): Promise<SentinelCommand> {
    const source = new SentinelCommand({ command, everyMs: EVERY_MS, deadlineMs: DEADLINE_MS, clock, init: undefined });
    expect(source.current()).toBeUndefined();
    const { promise, resolve } = Promise.withResolvers<void>();
    following = source.follow(resolve, stop.signal);
    await promise;
    return source;
  }

  it('wants a reboot when it ends with 0', async () => {
    const source = await follow('true');
    expect(source.current()).toEqual({
      wanted: true,
      kind: 'command',
      sinceMs: clock.nowMs(),
      settledForMs: 0,
      packages: [],
      writtenAtMs: undefined,
    });
  });

  it.each(['1', '2', '77', '255'])('wants none when it ends with %s', async (status) => {
    const source = await follow('sh', '-c', `exit ${status}`);
    expect(source.current()).toEqual({ wanted: false });
    expect(source.problem).toBeUndefined();
  });

  it.each([
    ['is not there', ['nodetender-has-no-such-program'], 'ENOENT'],
    ['is not found by a shell', ['sh', '-c', 'nodetender-has-no-such-program'], 'ended with 127'],
    ['is ended by a signal', ['sh', '-c', 'kill -9 $$'], 'ended by a signal'],
    [
      'cannot enter the host',
      ['sh', '-c', 'echo "nsenter: cannot open /proc/1/ns/mnt: Permission denied" >&2; exit 1'],
      'nsenter',
    ],
  ])('has said nothing when it %s', async (_, command, found) => {
    const source = await follow(...command);
    expect(source.current()).toBeUndefined();
    expect(source.problem).toMatchObject({ code: 'host/command-failed', message: expect.stringContaining(found) });
  });

  it('has said nothing when it takes too long, and is ended with its children', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'nodetender-command-'));
    const pidFile = join(directory, 'pid');
    const command = ['sh', '-c', `sleep 1000 & echo $! > ${pidFile}; wait`];
    const source = new SentinelCommand({ command, everyMs: EVERY_MS, deadlineMs: DEADLINE_MS, clock, init: undefined });
    const judged = Promise.withResolvers<void>();
    following = source.follow(judged.resolve, stop.signal);
    await expect.poll(() => readFile(pidFile, 'utf8').catch(() => ''), patience).toMatch(/^\d+\n$/);
    await clock.advance(DEADLINE_MS);
    await judged.promise;
    expect(source.current()).toBeUndefined();
    expect(source.problem).toMatchObject({ code: 'host/deadline' });
    await expect.poll(() => isRunning(Number(readFileSync(pidFile, 'utf8'))), patience).toBe(false);
    await rm(directory, { recursive: true });
  });

  it('remembers since when it wants a reboot', async () => {
    const wantedAtMs = clock.nowMs();
    const source = await follow('true');
    await clock.advance(EVERY_MS - 1);
    expect(source.current()).toMatchObject({ wanted: true, sinceMs: wantedAtMs, settledForMs: EVERY_MS - 1 });
  });

  it('is asked again and again, and a wish that comes back is a new one', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'nodetender-command-'));
    const toggle = `cd ${directory}; if [ -e no ]; then rm no; exit 1; else touch no; fi`;
    let changed = Promise.withResolvers<void>();
    const command = ['sh', '-c', toggle];
    const source = new SentinelCommand({ command, everyMs: EVERY_MS, deadlineMs: DEADLINE_MS, clock, init: undefined });
    following = source.follow(() => changed.resolve(), stop.signal);
    for (const wanted of [true, false, true]) {
      await changed.promise;
      expect(source.current()).toMatchObject(wanted ? { wanted, sinceMs: clock.nowMs() } : { wanted });
      changed = Promise.withResolvers<void>();
      await clock.advance(EVERY_MS);
    }
    await changed.promise;
    await rm(directory, { recursive: true });
  });

  it('does not make a new wish older where it could not be asked before', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'nodetender-command-'));
    const script = `cd ${directory}; echo >> runs; case $(wc -l < runs) in 1) exit 1;; 2) exit 127;; esac`;
    let changed = Promise.withResolvers<void>();
    const command = ['sh', '-c', script];
    const source = new SentinelCommand({ command, everyMs: EVERY_MS, deadlineMs: DEADLINE_MS, clock, init: undefined });
    following = source.follow(() => changed.resolve(), stop.signal);
    for (const seen of [{ wanted: false }, undefined]) {
      await changed.promise;
      expect(source.current()).toEqual(seen);
      changed = Promise.withResolvers<void>();
      await clock.advance(EVERY_MS);
    }
    await changed.promise;
    expect(source.current()).toMatchObject({ wanted: true, sinceMs: clock.nowMs(), settledForMs: 0 });
    await rm(directory, { recursive: true });
  });

  it('keeps the end of what it wrote, however much that is', async () => {
    const source = await follow('sh', '-c', 'head -c 1000000 /dev/zero | tr "\\0" x; echo the end >&2; exit 126');
    expect(source.problem?.message).toContain('the end');
    expect(source.problem?.message.length).toBeLessThan(1000);
  });
});

/** One that has ended and that nobody has waited for yet does not run any more. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
