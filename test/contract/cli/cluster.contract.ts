import { afterAll, afterEach, beforeAll, beforeEach, describe, vi } from 'vitest';

import { describeClean } from './cluster/clean.ts';
import { describeNodes } from './cluster/nodes.ts';
import { describePages } from './cluster/pages.ts';
import { describeReboots } from './cluster/reboots.ts';
import { type ClusterUnderTest, CommandsSetting } from './cluster/setting.ts';
import { describeStops } from './cluster/stops.ts';
import { describeUninstall } from './cluster/uninstall.ts';
import { describeUsage } from './cluster/usage.ts';

/** What the commands that take a kubeconfig do, whatever stands behind it. */
export function describeClusterCommands(name: string, start: () => Promise<ClusterUnderTest>): void {
  describe(`the commands on ${name}`, () => {
    const setting = new CommandsSetting();

    beforeAll(async () => {
      await setting.open(await start());
    });
    afterAll(async () => {
      vi.unstubAllEnvs();
      await setting.cluster.dispose();
    });
    beforeEach(async () => {
      await setting.createNodes();
    });
    afterEach(async () => {
      await setting.clear();
    });

    describeNodes(setting);
    describeClean(setting);
    describeStops(setting);
    describeReboots(setting);
    describeUninstall(setting);
    describeUsage(setting);
    describePages(setting);
  });
}
