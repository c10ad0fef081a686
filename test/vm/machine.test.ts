import { afterAll, beforeAll, describe } from 'vitest';

import { Installation } from '../harness/vm/installation.ts';
import { powerCut } from './powercut.ts';
import { poweredOff } from './poweredoff.ts';
import { reboot } from './reboot.ts';

/**
 * A virtual machine with systemd and a kubelet, which the chart's pod reboots for real, with its default privileges. The
 * sections go one after the other on one machine: each boot of an emulated one takes a minute.
 */
describe('the chart on a machine that really reboots', () => {
  let installation: Installation;
  const installed = (): Installation => installation;

  beforeAll(async () => {
    installation = await Installation.create();
  });
  afterAll(async () => {
    await installation?.dispose();
  });

  reboot(installed);
  powerCut(installed);
  poweredOff(installed);
});
