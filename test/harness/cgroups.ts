import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { eventually } from './eventually.ts';

const root = '/sys/fs/cgroup';

/** Removes the cgroups below one of ours, leaves first, in every hierarchy (one under cgroup v2, many under v1). */
export async function removeCgroups(name: string): Promise<void> {
  const all = await readdir(root);
  for (const path of ['', ...all].map((hierarchy) => join(root, hierarchy, name))) {
    await eventually(`${path} is removed`, async () => {
      await removeCgroup(path);
      return true;
    });
  }
}

async function removeCgroup(path: string): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => undefined);
  if (entries === undefined) return;
  for (const entry of entries) if (entry.isDirectory()) await removeCgroup(join(path, entry.name));
  await rmdir(path);
}

/** Makes a cgroup in every hierarchy, for a kubelet to have its pods in. */
export async function makeCgroup(name: string): Promise<void> {
  for (const hierarchy of await hierarchies()) {
    let path = hierarchy;
    for (const part of name.split('/').filter((each) => each !== '')) {
      path = join(path, part);
      await mkdir(path, { recursive: true });
      // Under cgroup v1 it begins without any CPU and memory node, and no process can be put into it.
      for (const file of ['cpuset.cpus', 'cpuset.mems']) {
        const all = await readFile(join(hierarchy, file), 'utf8').catch(() => undefined);
        if (all !== undefined) await writeFile(join(path, file), all);
      }
    }
  }
}

/** The one of cgroup v2; or those of v1, beside which v2 may be mounted without any controller. */
async function hierarchies(): Promise<string[]> {
  const names = await readdir(root);
  if (names.includes('cgroup.controllers')) return [root];
  return names.filter((name) => name !== 'unified').map((name) => join(root, name));
}
