import { statfs } from 'node:fs/promises';

import { messageOf, NodetenderError } from '../errors.ts';

/** How full a file system is. */
export interface DiskUsage {
  readonly totalBytes: number;
  /** What an unprivileged process may still write: the reserve for root is not counted as free, as in df. */
  readonly freeBytes: number;
  readonly usedBytes: number;
  /** 0 to 100, of what is usable (used + free), as df shows it. */
  readonly usedPercent: number;
}

/** The use of the file system that holds `path`. Throws `host/no-statfs`. */
export async function measureDisk(path: string): Promise<DiskUsage> {
  let stats;
  try {
    stats = await statfs(path);
  } catch (error) {
    throw new NodetenderError(
      'host/no-statfs',
      `cannot measure the file system of ${path}: ${messageOf(error)}. Give the path of a directory that exists and lies on the images' file system.`,
      { cause: error },
    );
  }
  return diskUsage(stats);
}

/** The arithmetic of statfs(2), apart from the call. Block counts and the block size in bytes. */
export function diskUsage(stats: { blocks: number; bfree: number; bavail: number; bsize: number }): DiskUsage {
  const usedBytes = (stats.blocks - stats.bfree) * stats.bsize;
  const freeBytes = stats.bavail * stats.bsize;
  const usableBytes = usedBytes + freeBytes;
  return {
    totalBytes: stats.blocks * stats.bsize,
    freeBytes,
    usedBytes,
    usedPercent: usableBytes === 0 ? 0 : (usedBytes / usableBytes) * 100,
  };
}
