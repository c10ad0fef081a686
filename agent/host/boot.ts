import { readFile } from 'node:fs/promises';

import { messageOf, NodetenderError } from '../errors.ts';
import type { Boot } from './port.ts';

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Reads which boot this is, from procfs. The same inside and outside of a container. Throws `host/no-boot`. */
export async function readBoot(procDirectory = '/proc'): Promise<Boot> {
  const [bootId, uptime, stat] = await Promise.all([
    readBootId(procDirectory),
    read(`${procDirectory}/uptime`),
    read(`${procDirectory}/stat`),
  ]);
  const uptimeSeconds = /^\d+(?:\.\d+)?/.exec(uptime)?.[0];
  const bootedAtSeconds = /^btime (\d+)$/m.exec(stat)?.[1];
  if (uptimeSeconds === undefined) throw unreadable(`${procDirectory}/uptime`, 'seconds', uptime);
  if (bootedAtSeconds === undefined) throw unreadable(`${procDirectory}/stat`, 'a line "btime"', 'none');
  return { bootId, uptimeMs: Number(uptimeSeconds) * 1000, bootedAtMs: Number(bootedAtSeconds) * 1000 };
}

/** Which boot this is, and nothing else. Throws `host/no-boot`. */
export async function readBootId(procDirectory = '/proc'): Promise<string> {
  const path = `${procDirectory}/sys/kernel/random/boot_id`;
  const id = (await read(path)).trim();
  if (!UUID.test(id)) throw unreadable(path, 'a UUID', id);
  return id;
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new NodetenderError('host/no-boot', `cannot read ${path}: ${messageOf(error)}. Is /proc mounted?`, {
      cause: error,
    });
  }
}

function unreadable(path: string, expected: string, found: string): NodetenderError {
  const text = JSON.stringify(found.slice(0, 60));
  return new NodetenderError(
    'host/no-boot',
    `${path}: expected ${expected}, found ${text}. Is /proc the kernel's own?`,
  );
}
