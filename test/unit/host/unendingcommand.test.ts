import type { ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { CommandRunner, type Start } from '../../../agent/host/childcommand.ts';
import { commandMethod, newRunners, type RebootMethod } from '../../../agent/host/methods.ts';
import { SentinelCommand } from '../../../agent/host/sentinelcommand.ts';
import { VirtualClock } from '../../emulators/clock.ts';

const started: EventEmitter[] = [];
const start: Start = () => {
  const child = Object.assign(new EventEmitter(), { stdout: new PassThrough(), stderr: new PassThrough() });
  started.push(child);
  return child as EventEmitter as ChildProcess;
};

const EVERY_MS = 60_000;
const DEADLINE_MS = 30_000;

beforeEach(() => {
  started.length = 0;
});

/** As over a network file system whose server is gone: no signal ends it. */
describe('a command that is not ended by SIGKILL', () => {
  it('is the last to ask for reboots until it ends', async () => {
    const clock = new VirtualClock();
    const stop = new AbortController();
    const command = ['needs-restarting', '-r'];
    const runner = new CommandRunner(start);
    const times = { everyMs: EVERY_MS, deadlineMs: DEADLINE_MS };
    const source = new SentinelCommand({ command, ...times, clock, init: undefined, runner });
    const following = source.follow(() => undefined, stop.signal);
    await clock.advance(DEADLINE_MS);
    expect(source.problem?.code).toBe('host/deadline');
    await clock.advance(100 * EVERY_MS);
    expect(started).toHaveLength(1);
    expect(source.problem).toMatchObject({
      code: 'host/command-failed',
      message: expect.stringMatching(
        /^"needs-restarting -r" is not run again: the one before was killed and still runs/,
      ),
    });
    expect(source.current()).toBeUndefined();
    started[0]?.emit('exit', null);
    await clock.advance(EVERY_MS);
    started[1]?.emit('exit', 0);
    await clock.advance(1000);
    expect([started.length, source.problem, source.current()?.wanted]).toEqual([2, undefined, true]);
    stop.abort();
    await following;
  });

  describe('to look for the reboot command', () => {
    let procDirectory: string;

    beforeEach(async () => {
      procDirectory = await mkdtemp(join(tmpdir(), 'nodetender-proc-'));
      for (const pid of ['self', '2']) {
        await mkdir(join(procDirectory, pid, 'ns'), { recursive: true });
        await symlink(`mnt:[${pid}]`, join(procDirectory, pid, 'ns/mnt'));
      }
      await symlink('pid:[4026532000]', join(procDirectory, 'self/ns/pid'));
    });
    afterEach(async () => {
      await rm(procDirectory, { recursive: true });
    });

    it('is the last of its kind, and holds up no reboot', async () => {
      const clock = new VirtualClock();
      const init = { pid: 2, procDirectory };
      const runners = newRunners(start);
      // Made anew for each question, as the configuration may have changed.
      const method = (): RebootMethod =>
        commandMethod({ init, command: ['/mnt/reboot'], deadlineMs: DEADLINE_MS, clock, runners });
      await expect(clock.run(method().check(undefined))).rejects.toMatchObject({ code: 'host/deadline' });
      await expect(clock.run(method().check(undefined))).rejects.toMatchObject({ code: 'host/command-failed' });
      expect(started).toHaveLength(1);
      await expect(clock.run(method().reboot(undefined))).rejects.toMatchObject({ code: 'host/reboot-unanswered' });
      expect(started).toHaveLength(2);
    });
  });
});
