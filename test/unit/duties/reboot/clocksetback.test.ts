import { afterEach, describe, expect, it } from 'vitest';
import { OneNode } from './onenode.ts';

const MINUTE_MS = 60_000;
const tries = '  backoff: { first: 10m, longest: 10m }\n';

let site: OneNode;
afterEach(() => site.stop());

describe('a try that has failed, and a clock that is set back by a day meanwhile:', () => {
  it.each(['back-out', 'stay'])('the next comes no later for it where the node is to %s', async (whenStuck) => {
    site = await OneNode.start(`  drain: { timeout: 5m, whenStuck: ${whenStuck} }\n${tries}`);
    await site.runPod('broker', {}, { terminationGracePeriodSeconds: 864_000 });
    site.need.want();
    await site.clock.advance(7 * MINUTE_MS);
    const failures = (): string[] => site.reasons().filter((reason) => reason === 'RebootDrainFailed');
    expect(failures()).toHaveLength(1);
    site.clock.jump(-86_400_000);
    await site.clock.advance(25 * MINUTE_MS);
    expect(failures().length).toBeGreaterThan(1);
  });
});
