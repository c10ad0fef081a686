// Loaded into an agent's process with `node --expose-gc --import`: on SIGUSR2 it collects all garbage and writes the bytes
// that are left on the heap to the file NODETENDER_HEAP_FILE.
import { renameSync, writeFileSync } from 'node:fs';

const file = process.env['NODETENDER_HEAP_FILE'];
if (file === undefined || globalThis.gc === undefined) throw new Error('expected NODETENDER_HEAP_FILE and --expose-gc');

process.on('SIGUSR2', () => {
  globalThis.gc?.();
  writeFileSync(`${file}.tmp`, String(process.memoryUsage().heapUsed));
  renameSync(`${file}.tmp`, file);
});
