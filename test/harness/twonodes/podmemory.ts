import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface PodMemory {
  /** What the kubelet reports and evicts by: all that its cgroup has, but for file pages that nobody has used lately. */
  readonly workingSetBytes: number;
  /** Of the container's processes, file pages that they have mapped included. */
  readonly residentBytes: number;
  readonly anonymousBytes: number;
}

/** What the kernel has counted for a pod of the quality class Burstable, below a kubelet's own cgroup. */
export async function podMemory(kubeletCgroup: string, uid: string): Promise<PodMemory> {
  const isUnified = existsSync('/sys/fs/cgroup/cgroup.controllers');
  const pod = join('/sys/fs/cgroup', isUnified ? '' : 'memory', kubeletCgroup, `kubepods/burstable/pod${uid}`);
  const [usage, inactive] = isUnified
    ? (['memory.current', 'inactive_file'] as const)
    : (['memory.usage_in_bytes', 'total_inactive_file'] as const);
  const statistics = await readFile(join(pod, 'memory.stat'), 'utf8');
  const inactiveBytes = Number(new RegExp(`^${inactive} (\\d+)$`, 'm').exec(statistics)?.[1]);
  const workingSetBytes = Number(await readFile(join(pod, usage), 'utf8')) - inactiveBytes;
  let [residentBytes, anonymousBytes] = [0, 0];
  for (const entry of await readdir(pod, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const processes = await readFile(join(pod, entry.name, 'cgroup.procs'), 'utf8');
    for (const pid of processes.split('\n').filter((line) => line !== '')) {
      const status = await readFile(`/proc/${pid}/status`, 'utf8');
      residentBytes += kilobytes(status, 'VmRSS');
      anonymousBytes += kilobytes(status, 'RssAnon');
    }
  }
  return { workingSetBytes, residentBytes, anonymousBytes };
}

function kilobytes(status: string, key: string): number {
  return Number(new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024;
}
