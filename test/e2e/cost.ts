import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';

import { podMemory } from '../harness/twonodes/podmemory.ts';
import type { Installation } from './installation.ts';
import { measured } from './measured.ts';

const QUIET_MS = 30_000;
/** What the chart requests by default. */
const REQUESTED_BYTES = 96 * 1024 * 1024;
const MEBIBYTE = 1024 * 1024;

/** What agents with nothing to do cost, once they have cleaned: reboots are on, and nobody asks for one. */
export function cost(installation: () => Installation): void {
  describe('an agent with nothing to do', () => {
    it('needs no more memory than the chart requests for it', async () => {
      for (const pod of await installation().pods()) {
        const node = installation().cluster.nodes.find(({ name }) => name === pod.spec.nodeName);
        const memory = await podMemory(node?.machine.cgroup ?? '', pod.metadata.uid);
        const mebibytes = Object.entries(memory).map(([what, bytes]) => [what, Math.round(bytes / MEBIBYTE)]);
        measured(`memory of the pod on ${pod.spec.nodeName}, in MiB`, Object.fromEntries(mebibytes));
        expect(memory.workingSetBytes).toBeGreaterThan(MEBIBYTE);
        expect(memory.workingSetBytes).toBeLessThan(REQUESTED_BYTES);
      }
    });

    it('asks the API server for nothing but its watches, and seldom', async () => {
      const before = (await installation().requests()).length;
      await delay(QUIET_MS);
      const made = (await installation().requests()).slice(before);
      const said = made.map(({ verb, uri }) => `${verb} ${uri}`);
      measured(`requests of both agents in ${QUIET_MS / 1000} s`, said);
      expect(made.filter(({ verb }) => verb !== 'watch')).toEqual([]);
      expect(made.length).toBeLessThanOrEqual(4);
    });
  });
}
