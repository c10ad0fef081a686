import { tmpdir } from 'node:os';

import { describe, expect, it } from 'vitest';

import { diskUsage, measureDisk } from '../../../agent/host/disk.ts';

describe('disk use', () => {
  it('counts the reserve for root as neither used nor free, as df does', () => {
    const usage = diskUsage({ blocks: 1000, bfree: 300, bavail: 100, bsize: 4096 });
    expect(usage).toEqual({
      totalBytes: 1000 * 4096,
      usedBytes: 700 * 4096,
      freeBytes: 100 * 4096,
      usedPercent: 87.5,
    });
  });

  it('is 0 % on a file system without blocks', () => {
    expect(diskUsage({ blocks: 0, bfree: 0, bavail: 0, bsize: 4096 }).usedPercent).toBe(0);
  });

  it('is measured by the file system that holds a path', async () => {
    const usage = await measureDisk(tmpdir());
    expect(usage.totalBytes).toBeGreaterThan(0);
    expect(usage.usedPercent).toBeGreaterThanOrEqual(0);
    expect(usage.usedPercent).toBeLessThanOrEqual(100);
  });

  it('of a path that does not exist is refused with the path', async () => {
    await expect(measureDisk('/does/not/exist')).rejects.toMatchObject({
      code: 'host/no-statfs',
      message: expect.stringContaining('/does/not/exist'),
    });
  });
});
