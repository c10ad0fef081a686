import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';

/** Of a process, in MiB. */
export interface Memory {
  readonly residentMb: number;
  readonly anonymousMb: number;
}

export async function memoryOf(child: ChildProcess): Promise<Memory> {
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
  const mb = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1]) / 1024;
  return { residentMb: mb('VmRSS'), anonymousMb: mb('RssAnon') };
}

export function memoryRow(what: string, { residentMb, anonymousMb }: Memory): string {
  return `| ${what} | ${residentMb.toFixed(0)} | ${anonymousMb.toFixed(0)} |`;
}

/** Where the agent serves its metrics: by the first line of its log that names a port. The rest is read and dropped. */
export async function addressOf(agent: ChildProcess): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let text = '';
  agent.stdout?.on('data', (chunk) => {
    if (text.length < 100_000) text += String(chunk);
    const port = /"port":(\d+),"msg":"metrics/.exec(text)?.[1];
    if (port !== undefined) resolve(`http://127.0.0.1:${port}`);
  });
  agent.once('exit', () => reject(new Error(`the agent ended: ${text}`)));
  return await promise;
}
