import { EventEmitter } from 'node:events';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

const started = vi.hoisted((): EventEmitter[] => []);

vi.mock('node:child_process', () => ({
  spawn: () => {
    const child = Object.assign(new EventEmitter(), { stdout: new PassThrough(), stderr: new PassThrough() });
    started.push(child);
    return child;
  },
}));

const { commandMethod } = await import('../../../agent/host/methods.ts');
const { SentinelCommand } = await import('../../../agent/host/sentinelcommand.ts');
const { VirtualClock } = await import('../../emulators/clock.ts');

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
    const source = new SentinelCommand({ command, everyMs: EVERY_MS, deadlineMs: DEADLINE_MS, clock, init: undefined });
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
      const method = commandMethod({ init, command: ['/mnt/reboot'], deadlineMs: DEADLINE_MS, clock });
      await expect(clock.run(method.check(undefined))).rejects.toMatchObject({ code: 'host/deadline' });
      await expect(clock.run(method.check(undefined))).rejects.toMatchObject({ code: 'host/command-failed' });
      expect(started).toHaveLength(1);
      await expect(clock.run(method.reboot(undefined))).rejects.toMatchObject({ code: 'host/reboot-unanswered' });
      expect(started).toHaveLength(2);
    });
  });
});
