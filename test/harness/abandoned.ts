import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { removeCgroups } from './cgroups.ts';

/**
 * Removes the folders named `<prefix><process ID>-…` of test runners that were killed, and the cgroups of the same name: their
 * processes and mounts ended with them, these did not.
 */
export async function removeAbandoned(parent: string, prefix: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const owner = new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1];
    if (owner === undefined || existsSync(`/proc/${owner}`)) continue;
    await removeCgroups(`/${name}`);
    await rm(join(parent, name), { recursive: true, force: true });
  }
}
