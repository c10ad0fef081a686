import { afterAll, beforeAll, describe } from 'vitest';

import { describeKinds } from './apiserver/kinds.ts';
import { describePods } from './apiserver/pods.ts';
import { describeReads } from './apiserver/reads.ts';
import { describeRefusals } from './apiserver/refusals.ts';
import { describeServed } from './apiserver/served.ts';
import { ApiServerSetting, type ApiServerUnderTest } from './apiserver/setting.ts';
import { describeWrites } from './apiserver/writes.ts';

/** The real API server says what is true, the emulated one must say the same. */
export function describeApiServerContract(name: string, start: () => Promise<ApiServerUnderTest>): void {
  describe(`the Kubernetes API of ${name}`, () => {
    const setting = new ApiServerSetting();

    beforeAll(async () => {
      await setting.open(await start());
    });
    afterAll(async () => {
      await setting.server.dispose();
    });

    describeRefusals(setting);
    describeWrites(setting);
    describeKinds(setting);
    describeReads(setting);
    describePods(setting);
    describeServed(setting);
  });
}
