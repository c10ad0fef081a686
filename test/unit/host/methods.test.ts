import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { type InitProcess, requireHostInit } from '../../../agent/host/initprocess.ts';
import { REBOOT_SIGNAL, signalMethod } from '../../../agent/host/methods.ts';

/** Never PID 1: what stands for the host's init here is a shell of the test's own. */
describe('a reboot by signal', () => {
  let child: ChildProcess;
  let proc: string;
  let init: InitProcess;

  beforeEach(async () => {
    proc = await mkdtemp(join(tmpdir(), 'nodetender-proc-'));
  });
  afterEach(async () => {
    child.kill('SIGKILL');
    await rm(proc, { recursive: true });
  });

  /**
   * A shell that runs `script` and waits, by a builtin because it blocks signals for a moment when it starts a program; and a
   * procfs in which it is as much outside of our container as `mountNamespace` says.
   */
  async function beInit(script: string, mountNamespace = 'mnt:[2]'): Promise<void> {
    child = spawn('sh', ['-c', `${script}; echo ready; read -r _`], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    if (child.stdout === null || child.pid === undefined) throw new Error('no shell');
    await once(child.stdout, 'data');
    for (const folder of ['self/ns', `${child.pid}/ns`]) await mkdir(join(proc, folder), { recursive: true });
    await symlink('mnt:[1]', join(proc, 'self/ns/mnt'));
    await symlink('pid:[4026532000]', join(proc, 'self/ns/pid'));
    await symlink(mountNamespace, join(proc, `${child.pid}/ns/mnt`));
    await writeFile(join(proc, `${child.pid}/status`), await readFile(`/proc/${child.pid}/status`));
    init = { pid: child.pid, procDirectory: proc };
  }

  it('tells an init that heeds it', async () => {
    await beInit(`trap 'exit 42' ${REBOOT_SIGNAL}`);
    const method = signalMethod({ init });
    await method.check(undefined);
    const exited = once(child, 'exit');
    await method.reboot(undefined);
    expect(await exited).toEqual([42, null]);
  });

  it('is refused by name where init would ignore it, and nothing is sent', async () => {
    await beInit(':');
    await expect(signalMethod({ init }).reboot(undefined)).rejects.toMatchObject({
      code: 'host/no-init',
      message: expect.stringContaining('reboot.method command'),
    });
    expect(child.signalCode).toBeNull();
  });

  it('is refused where PID 1 belongs to our own container, and nothing is sent', async () => {
    await beInit(`trap 'exit 42' ${REBOOT_SIGNAL}`, 'mnt:[1]');
    await expect(signalMethod({ init }).reboot(undefined)).rejects.toMatchObject({
      code: 'host/no-init',
      message: expect.stringContaining('hostPID'),
    });
    expect(child.exitCode).toBeNull();
  });

  it('is refused where PID 1 is the agent itself', async () => {
    await beInit(':');
    await expect(requireHostInit({ pid: process.pid, procDirectory: '/proc' })).rejects.toMatchObject({
      code: 'host/no-init',
      message: expect.stringContaining('the agent itself'),
    });
  });

  it('does not take an init for ours because there is nothing to see of it', async () => {
    await beInit(':');
    await expect(requireHostInit({ pid: init.pid + 1, procDirectory: proc })).rejects.toMatchObject({
      code: 'host/no-init',
    });
  });
});
