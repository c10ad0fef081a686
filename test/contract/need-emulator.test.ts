import { existsSync } from 'node:fs';
import { mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Sentinel } from '../../agent/host/sentinel.ts';
import { VirtualClock } from '../emulators/clock.ts';
import { EmulatedHost } from '../emulators/host/host.ts';
import { EmulatedNeed } from '../emulators/host/need.ts';
import { describeNeedContract } from './need.contract.ts';

describeNeedContract('an emulated host', async () => {
  const clock = new VirtualClock();
  const source = new EmulatedNeed(new EmulatedHost({ clock }));
  return {
    source,
    clock,
    want: async (packages) => source.want(packages),
    clear: async () => source.clear(),
    dispose: async () => undefined,
  };
});

describeNeedContract('a file', async () => {
  const clock = new VirtualClock();
  const directory = await mkdtemp(join(tmpdir(), 'nodetender-sentinel-'));
  const path = join(directory, 'reboot-required');
  /** At one stroke, or a look in between would see a change of its own. */
  const write = async (file: string, text: string): Promise<void> => {
    const draft = join(directory, 'draft');
    await writeFile(draft, text);
    // Files know the machine's own time only.
    await utimes(draft, clock.nowMs() / 1000, clock.nowMs() / 1000);
    await rename(draft, file);
  };
  return {
    source: new Sentinel({ path, clock }),
    clock,
    want: async (packages) => {
      if (packages.length > 0) await write(`${path}.pkgs`, `${packages.join('\n')}\n`);
      // The list comes first, so that the last thing to change is the one that is waited for.
      if (!existsSync(path)) await write(path, '*** System restart required ***\n');
    },
    clear: async () => {
      await rm(`${path}.pkgs`, { force: true });
      await rm(path);
    },
    dispose: () => rm(directory, { recursive: true }),
  };
});
