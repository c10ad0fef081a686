import { afterAll, beforeAll, describe } from 'vitest';

import { cleaning, firstSchedule, prepareCleaning } from './cleaning.ts';
import { cost } from './cost.ts';
import { Installation } from './installation.ts';
import { measured } from './measured.ts';
import { permissions } from './permissions.ts';
import { removal } from './removal.ts';
import { rolling } from './rolling.ts';

/** What a user installs, on two real kubelets: the sections go one after the other, on one cluster. */
describe('the chart on a real cluster', () => {
  let installation: Installation;
  const installed = (): Installation => installation;

  beforeAll(async () => {
    installation = await Installation.launch(firstSchedule, prepareCleaning);
    measured('milliseconds from nothing', installation.took);
  });
  afterAll(async () => {
    await installation?.dispose();
  });

  cleaning(installed);
  cost(installed);
  rolling(installed);
  permissions(installed);
  removal(installed);
});
