import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

/**
 * Loaded into an agent's process with `node --import`: of which boot this machine is in, the kernel's files tell what the file that
 * NODETENDER_DEMO_BOOT names has. So a machine that is only played can reboot.
 */
const file = process.env['NODETENDER_DEMO_BOOT'];
if (file === undefined) throw new Error('NODETENDER_DEMO_BOOT: expected the path of a file');

const { readFile } = fs;
const { bootId, bootedAtMs } = JSON.parse(await readFile(file, 'utf8')) as { bootId: string; bootedAtMs: number };
const played: Readonly<Record<string, () => string>> = {
  '/proc/sys/kernel/random/boot_id': () => `${bootId}\n`,
  '/proc/uptime': () => `${(Date.now() - bootedAtMs) / 1000} 0.00\n`,
  '/proc/stat': () => `btime ${Math.floor(bootedAtMs / 1000)}\n`,
};

Object.assign(fs, {
  readFile: async (...args: Parameters<typeof readFile>) => {
    const [path] = args;
    return (typeof path === 'string' ? played[path]?.() : undefined) ?? (await readFile(...args));
  },
});
syncBuiltinESMExports();
