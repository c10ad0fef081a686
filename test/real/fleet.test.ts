import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { AgentFleet } from '../harness/agentfleet.ts';

/** A thousand whole agents on one kube-apiserver. How long it takes is measured by the bench; here it is counted. */

const AGENTS = 1_000;

let fleet: AgentFleet;

beforeAll(async () => {
  fleet = await AgentFleet.launch(AGENTS);
});
afterAll(async () => {
  await fleet.destroy();
});

it(
  'an annotation on every node is accepted and done once by each agent, in two writes',
  { timeout: 600_000 },
  async () => {
    const before = await fleet.requestCount();
    expect(await fleet.triggerAll('once')).toHaveLength(AGENTS);
    while ((await fleet.doneCount('once')) < AGENTS) await delay(2_000);
    const requests = await fleet.requestsSince(before);
    expect(requests.get('create events')).toBe(AGENTS);
    // The annotation itself, the mark before the run, and the result with the status.
    const writes = requests.get('patch nodes') ?? 0;
    expect(writes).toBeGreaterThanOrEqual(3 * AGENTS);
    // On a machine that is overworked a run lasts long enough for its state to be told.
    expect(writes).toBeLessThanOrEqual(4 * AGENTS);
  },
);
