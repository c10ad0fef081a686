import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

/** What a process has used since its start. */
export interface Usage {
  readonly cpuSeconds: number;
  /** Bytes that it caused to be sent to storage. */
  readonly writtenBytes: number;
}

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

export function usageOf(pid: number): Usage {
  // The second field of stat is the program's name in parentheses, which may itself hold spaces.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const [user = Number.NaN, system = Number.NaN] = fields.slice(11, 13).map(Number);
  return {
    cpuSeconds: (user + system) / ticksPerSecond,
    writtenBytes: field(`/proc/${pid}/io`, 'write_bytes'),
  };
}

export function usageBetween(before: Usage, after: Usage): Usage {
  return {
    cpuSeconds: after.cpuSeconds - before.cpuSeconds,
    writtenBytes: after.writtenBytes - before.writtenBytes,
  };
}

/** The most that it had resident, in MiB, since `forgetPeak` or its start. */
export function peakResidentMbOf(pid: number): number {
  return field(`/proc/${pid}/status`, 'VmHWM') / 1024;
}

export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

/** The number in a line `name: 123 kB`. */
function field(path: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(readFileSync(path, 'utf8'))?.[1]);
}
