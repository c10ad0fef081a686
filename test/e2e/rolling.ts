import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';

import { eventually } from '../harness/eventually.ts';
import type { RollWitness } from '../harness/rollwitness.ts';
import { addWorkload, readyReplicas } from '../harness/workload.ts';
import type { Installation } from './installation.ts';

const DEADLINE_MS = 240_000;
/** A pod that is missing is missing for seconds. */
const LOOK_EVERY_MS = 100;
const wholeWay = ['wanted', 'waiting', 'cordoned', 'draining', 'rebooting', 'verifying', 'releasing', 'idle'];
const image = 'registry.example/shop:1';
const replicas = 4;
/** Above every version of package.json. */
const nextVersion = '99.0.0';

/** Rolls over both nodes, which run pods that may not all be away. */
export function rolling(installation: () => Installation): void {
  describe('a roll', () => {
    let witness: RollWitness;

    beforeAll(async () => {
      const { cluster } = installation();
      await Promise.all(cluster.nodes.map((node) => node.importImages(image)));
      await addWorkload(cluster.plane.api, 'shop', { replicas, image });
      witness = await installation().witness();
    });

    /** The states of a node one after the other, after the first `before` that were seen of any. */
    function statesOf(name: string, before: number): string[] {
      const all = witness.seen.slice(before);
      return all.flatMap((one) => (one.startsWith(`${name} `) ? one.slice(name.length + 1) : []));
    }

    /** Both ask for a reboot; resolves when both have had it. */
    async function roll(before: number, meanwhile: () => Promise<void> = async () => undefined): Promise<void> {
      const { nodes } = installation().cluster;
      for (const node of nodes) await node.wantReboot();
      await meanwhile();
      for (const { name } of nodes) {
        await eventually(`${name} is done`, () => statesOf(name, before).at(-1) === 'idle', DEADLINE_MS);
      }
      await eventually(
        'all pods run',
        async () => {
          return (await readyReplicas(installation().cluster.plane.api, 'shop')) === replicas;
        },
        DEADLINE_MS,
      );
    }

    it('reboots both nodes, one after the other, and the workload stays', async () => {
      const before = witness.seen.length;
      const { cluster } = installation();
      let least = replicas;
      const over = new AbortController();
      const looking = (async () => {
        while (!over.signal.aborted) {
          least = Math.min(least, await readyReplicas(cluster.plane.api, 'shop'));
          await delay(LOOK_EVERY_MS);
        }
      })();
      await roll(before).finally(() => over.abort());
      await looking;
      for (const node of cluster.nodes) {
        expect(statesOf(node.name, before)).toEqual(wholeWay);
        expect([node.reboots, node.host.rebootsAsked]).toEqual([1, 1]);
        const { spec, status } = await installation().node(node.name);
        expect(spec.unschedulable ?? false).toBe(false);
        expect(status.nodeInfo.bootID).toBe(node.host.boot.bootId);
      }
      expect(witness.broken).toEqual([]);
      expect(least).toBeGreaterThanOrEqual(replicas - 1);
    });

    it('goes on through an upgrade to another version, which replaces the agents and their image', async () => {
      const before = witness.seen.length;
      const old = new Set((await installation().pods()).map(({ metadata }) => metadata.uid));
      // Before: a node that reboots takes no image.
      await installation().bringVersion(nextVersion);
      await roll(before, async () => {
        await eventually(
          'a node drains',
          () => witness.seen.slice(before).some((one) => one.endsWith(' draining')),
          DEADLINE_MS,
        );
        await installation().upgrade({ every: '366d' });
      });
      await installation().untilReady();
      const pods = await installation().pods();
      expect(pods.filter(({ metadata }) => old.has(metadata.uid))).toEqual([]);
      const images = pods.flatMap(({ spec }) => spec.containers.map((container) => container.image));
      expect(new Set(images)).toEqual(new Set([`localhost/nodetender:${nextVersion}`]));
      for (const node of installation().nodes) {
        const isTold = async (): Promise<boolean> => (await node.status())?.version === nextVersion;
        await eventually(`${node.name} tells its agent's version`, isTold, DEADLINE_MS);
      }
      expect(witness.broken).toEqual([]);
      expect(installation().cluster.nodes.map(({ reboots }) => reboots)).toEqual([2, 2]);
    });
  });
}
