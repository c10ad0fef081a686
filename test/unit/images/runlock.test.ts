import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { acquireRunLock, type ProcessView, type RunLock } from '../../../agent/images/runlock.ts';
import { VirtualClock } from '../../emulators/clock.ts';

const RUN_LOCK = new URL('../../../agent/images/runlock.ts', import.meta.url).href;

let directory = '';
let clock = new VirtualClock();

beforeEach(async () => {
  clock = new VirtualClock();
  directory = await mkdtemp(join(tmpdir(), 'nodetender-lock-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** A machine whose processes come and go as a test says. */
class Machine {
  bootId = 'boot-1';
  uptimeSeconds = 1000;
  /** Start ticks by `namespace/pid`. */
  readonly alive = new Map<string, string>();

  process(pid: number, namespace = 'host'): ProcessView {
    const key = `${namespace}/${pid}`;
    if (!this.alive.has(key)) this.alive.set(key, `started-${this.alive.size}`);
    return {
      self: async () => ({
        pid,
        bootId: this.bootId,
        pidNamespace: namespace,
        startTicks: this.alive.get(key) ?? '',
      }),
      startTicksOf: async (other) => this.alive.get(`${namespace}/${other}`),
      uptimeSeconds: () => this.uptimeSeconds,
    };
  }

  /** Takes the lock in a module of its own, as a process of its own has, and dies or lives on. */
  async lock(processes: ProcessView): Promise<RunLock> {
    vi.resetModules();
    const fresh = await import('../../../agent/images/runlock.ts');
    return await fresh.acquireRunLock({ directory, clock, processes });
  }
}

describe('the run lock', () => {
  it('leaves nothing behind on a full disk, and lets the run go on', async () => {
    const take = `const { acquireRunLock } = await import(${JSON.stringify(RUN_LOCK)});
      const { problem, release } = await acquireRunLock({ directory: process.argv[1], clock: { sleep: async () => {} } });
      await release();
      console.log(problem.code);`;
    // A file may be made but takes not one byte, as on a disk without room.
    const full = 'trap "" XFSZ; ulimit -f 0; exec "$@"';
    const args = ['-c', full, 'sh', process.execPath, '--input-type=module', '--eval', take, directory];
    const { stdout } = await promisify(execFile)('/bin/sh', args);
    expect([stdout, await readdir(directory)]).toEqual(['state/unwritable\n', []]);
  });

  it('lets one run at a time through in this process, and the next after its release', async () => {
    const first = await acquireRunLock({ directory, clock });
    await expect(acquireRunLock({ directory, clock })).rejects.toMatchObject({ code: 'run/busy' });
    await first.release();
    const second = await acquireRunLock({ directory, clock });
    await second.release();
    expect(await readdir(directory)).toEqual([]);
  });

  it('keeps out another process of this machine while ours lives', async () => {
    const machine = new Machine();
    const lock = await machine.lock(machine.process(1));
    await expect(machine.lock(machine.process(2))).rejects.toMatchObject({
      code: 'run/busy',
      message: expect.stringContaining('process 1'),
    });
    await lock.release();
    await (await machine.lock(machine.process(2))).release();
  });

  it('is taken over from a process that died', async () => {
    const machine = new Machine();
    await machine.lock(machine.process(1));
    machine.alive.delete('host/1');
    const lock = await machine.lock(machine.process(2));
    await expect(machine.lock(machine.process(3))).rejects.toMatchObject({ code: 'run/busy' });
    await lock.release();
    expect(await readdir(directory)).toEqual([]);
  });

  it('is taken over when the number of the dead process belongs to another by now', async () => {
    const machine = new Machine();
    await machine.lock(machine.process(1));
    machine.alive.set('host/1', 'much later');
    const lock = await machine.lock(machine.process(2));
    expect(lock.problem).toBeUndefined();
    await lock.release();
  });

  it('is taken over after a reboot, whoever has the number now', async () => {
    const machine = new Machine();
    await machine.lock(machine.process(1));
    machine.bootId = 'boot-2';
    const lock = await machine.lock(machine.process(2));
    expect(lock.problem).toBeUndefined();
    await lock.release();
  });

  it('is taken over when its file is damaged', async () => {
    await writeFile(join(directory, 'run.lock'), '{"pid":');
    const lock = await acquireRunLock({ directory, clock });
    expect(lock.problem).toBeUndefined();
    await lock.release();
  });

  it('between a container and its host tells the dead from the living by their beat', async () => {
    const machine = new Machine();
    // The host has a process of the same number, which is another.
    machine.process(1);
    const onHost = machine.process(2);
    const lock = await machine.lock(machine.process(1, 'container'));
    machine.uptimeSeconds += 100;
    await clock.advance(15_000);
    await untilBeat(machine.uptimeSeconds);
    machine.uptimeSeconds += 100;
    await expect(machine.lock(onHost)).rejects.toMatchObject({ code: 'run/busy' });
    machine.uptimeSeconds += 21;
    const taken = await machine.lock(onHost);
    // The frozen one thaws: it must not remove what is not its own any more.
    await lock.release();
    await expect(machine.lock(machine.process(5))).rejects.toMatchObject({ code: 'run/busy' });
    await taken.release();
  });

  it('goes to one only of many that find it dead at the same moment, even where an earlier takeover died half-way', async () => {
    for (let round = 0; round < 10; round += 1) {
      const machine = new Machine();
      await machine.lock(machine.process(1));
      machine.alive.delete('host/1');
      const dead = {
        pid: 1,
        bootId: 'boot-1',
        pidNamespace: 'host',
        startTicks: 'x',
        token: 't',
        beatUptimeSeconds: 0,
      };
      if (round % 2 === 1) await writeFile(join(directory, 'run.lock.takeover'), JSON.stringify(dead));
      const contenders = await Promise.all(
        Array.from({ length: 8 }, async (_, index) => {
          vi.resetModules();
          const { acquireRunLock } = await import('../../../agent/images/runlock.ts');
          const processes = machine.process(10 + index);
          return async () => await acquireRunLock({ directory, clock, processes });
        }),
      );
      const results = await Promise.allSettled(contenders.map(async (acquire) => await acquire()));
      const locks = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
      expect(locks.map((lock) => lock.problem)).toEqual([undefined]);
      for (const lock of locks) await lock.release();
      expect(await readdir(directory)).toEqual([]);
    }
  });

  it('is not taken from the living by one who saw the dead before them', async () => {
    const machine = new Machine();
    await machine.lock(machine.process(1));
    machine.alive.delete('host/1');
    const quick = machine.process(2);
    const asked = Promise.withResolvers<void>();
    const answered = Promise.withResolvers<void>();
    const slow: ProcessView = {
      ...machine.process(3),
      startTicksOf: async (pid) => {
        asked.resolve();
        if (pid === 1) await answered.promise;
        return machine.alive.get(`host/${pid}`);
      },
    };
    const late = machine.lock(slow);
    await asked.promise;
    const lock = await machine.lock(quick);
    answered.resolve();
    await expect(late).rejects.toMatchObject({ code: 'run/busy' });
    await lock.release();
    expect(await readdir(directory)).toEqual([]);
  });

  it('holds in this process alone where its file cannot be written, and says so', async () => {
    const file = join(directory, 'file');
    await writeFile(file, '');
    const lock = await acquireRunLock({ directory: file, clock });
    expect(lock.problem).toMatchObject({ code: 'state/unwritable' });
    await expect(acquireRunLock({ directory: file, clock })).rejects.toMatchObject({ code: 'run/busy' });
    await lock.release();
    await (await acquireRunLock({ directory: file, clock })).release();
  });
});

/** The beat is real file work, which takes turns of the event loop that no clock counts. */
async function untilBeat(uptimeSeconds: number): Promise<void> {
  const path = join(directory, 'run.lock');
  for (let tries = 0; tries < 1000; tries += 1) {
    if ((await readFile(path, 'utf8')).includes(`"beatUptimeSeconds":${uptimeSeconds}}`)) return;
  }
  throw new Error('no beat came');
}
