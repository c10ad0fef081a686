import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { readBoot } from '../../../agent/host/boot.ts';

describe('which boot this is', () => {
  let proc: string;

  beforeEach(async () => {
    proc = await mkdtemp(join(tmpdir(), 'nodetender-proc-'));
    await mkdir(join(proc, 'sys/kernel/random'), { recursive: true });
    await write('sys/kernel/random/boot_id', 'a3378043-c2dd-42ef-82de-0741d0af77b0\n');
    await write('uptime', '14130.41 12892.93\n');
    await write('stat', 'cpu  1 2 3\nbtime 1795388310\nprocesses 7\n');
  });
  afterEach(() => rm(proc, { recursive: true }));

  const write = (name: string, text: string): Promise<void> => writeFile(join(proc, name), text);

  it('is read from procfs', async () => {
    expect(await readBoot(proc)).toEqual({
      bootId: 'a3378043-c2dd-42ef-82de-0741d0af77b0',
      uptimeMs: 14_130_410,
      bootedAtMs: 1_795_388_310_000,
    });
  });

  it.each([
    ['sys/kernel/random/boot_id', 'a3378043\n'],
    ['sys/kernel/random/boot_id', ''],
    ['uptime', 'long\n'],
    ['stat', 'cpu  1 2 3\n'],
  ])('is not guessed when %s says %j', async (name, text) => {
    await write(name, text);
    await expect(readBoot(proc)).rejects.toMatchObject({
      code: 'host/no-boot',
      message: expect.stringContaining(name),
    });
  });

  it('is not guessed when nothing can be read', async () => {
    await rm(join(proc, 'uptime'));
    await expect(readBoot(proc)).rejects.toMatchObject({ code: 'host/no-boot' });
  });
});
