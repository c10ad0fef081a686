import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { demonstrateCluster } from './democluster.ts';
import { demonstrateNode, sayHowToUseIt } from './demonode.ts';
import { clearStage } from './demostage.ts';

/** The real commands and the real agents, as processes, against emulators that live in this one. */

const folder = await mkdtemp(join(tmpdir(), 'nodetender-demo-'));
try {
  await demonstrateNode(folder);
  await demonstrateCluster(folder, process.argv.includes('--stay'));
  await sayHowToUseIt();
} finally {
  clearStage();
  await rm(folder, { recursive: true, force: true });
}
