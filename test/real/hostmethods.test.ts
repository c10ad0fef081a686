import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { systemClock } from '../../agent/clock.ts';
import type { InitProcess } from '../../agent/host/initprocess.ts';
import { commandMethod, REBOOT_SIGNAL, signalMethod } from '../../agent/host/methods.ts';
import { SentinelCommand } from '../../agent/host/sentinelcommand.ts';

/** A process with a mount namespace of its own stands for the host's init: in it, and only there, /mnt has other files. */
describe('a host seen through its init', () => {
  let folder: string;
  let child: ChildProcess;
  let init: InitProcess;
  const log = '/mnt/reboots';

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'nodetender-init-'));
    const script = [
      'mount -t tmpfs none /mnt',
      `printf '#!/bin/sh\\necho "$@" >> ${log}\\nexit "\${2:-0}"\\n' > /mnt/reboot`,
      'chmod +x /mnt/reboot',
      `trap 'echo signal > ${folder}/told' ${REBOOT_SIGNAL}`,
      'echo ready',
      'while :; do sleep 0.05; done',
    ];
    child = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', '--mount', 'sh', '-c', script.join('\n')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (child.stdout === null || child.pid === undefined) throw new Error('no process to stand for init');
    await once(child.stdout, 'data');
    init = { pid: child.pid, procDirectory: '/proc' };
  });
  afterAll(async () => {
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    await rm(folder, { recursive: true });
  });
  beforeEach(() => rm(join(folder, 'told'), { force: true }));

  const command = (...argv: string[]) => commandMethod({ init, command: argv, clock: systemClock });
  const onHost = (path: string) => readFile(`/proc/${init.pid}/root${path}`, 'utf8');

  it('is rebooted by a program of its own', async () => {
    const method = command('/mnt/reboot', 'now');
    await method.check(undefined);
    await expect(onHost(log)).rejects.toThrow('ENOENT');
    await method.reboot(undefined);
    expect(await onHost(log)).toBe('now\n');
  });

  it('is not rebooted by a program that only the agent has', async () => {
    const method = command(join(folder, 'reboot'));
    await expect(method.check(undefined)).rejects.toMatchObject({
      code: 'host/reboot-failed',
      message: expect.stringContaining('reboot.command'),
    });
  });

  it('says how a reboot command has failed', async () => {
    await expect(command('/mnt/reboot', 'not', '3').reboot(undefined)).rejects.toMatchObject({
      code: 'host/reboot-failed',
      message: expect.stringContaining('ended with 3'),
    });
  });

  it('may be rebooting when the command was ended by a signal', async () => {
    await expect(command('sh', '-c', 'kill -TERM $$').reboot(undefined)).rejects.toMatchObject({
      code: 'host/reboot-unanswered',
    });
  });

  it('may be rebooting when nobody waits for the command any more', async () => {
    const stop = new AbortController();
    setImmediate(() => stop.abort());
    await expect(command('sleep', '1000').reboot(stop.signal)).rejects.toMatchObject({
      code: 'host/reboot-unanswered',
    });
  });

  it('is not there where its init is not', async () => {
    const method = commandMethod({ init: { ...init, pid: 2 ** 22 }, command: ['true'], clock: systemClock });
    await expect(method.check(undefined)).rejects.toMatchObject({ code: 'host/no-init' });
  });

  it('is told by a signal', async () => {
    await signalMethod({ init }).reboot(undefined);
    await expect.poll(() => readFile(join(folder, 'told'), 'utf8'), { timeout: 20_000 }).toBe('signal\n');
  });

  it('is asked by a sentinel command that sees its files', async () => {
    const stop = new AbortController();
    const judged = Promise.withResolvers<void>();
    const source = new SentinelCommand({
      command: ['test', '-x', '/mnt/reboot'],
      everyMs: 60_000,
      deadlineMs: 10_000,
      clock: systemClock,
      init,
    });
    const following = source.follow(judged.resolve, stop.signal);
    await judged.promise;
    expect(source.current()).toMatchObject({ wanted: true, kind: 'command' });
    stop.abort();
    await following;
  });
});
