import { describe, expect, it } from 'vitest';

import type { KubernetesObject, KubernetesPort, Patch, Resource } from '../../agent/cluster/port.ts';
import { leases } from '../../agent/cluster/objects.ts';
import { type LockMutation, LockWorld } from './lockworld.ts';
import { Violation } from './witness.ts';

/** `NODETENDER_SIM_SEED=17` repeats one world; `NODETENDER_SIM_RUNS=100000` looks for rarer ones. */
const onlySeed = process.env['NODETENDER_SIM_SEED'];
const runs = Number(process.env['NODETENDER_SIM_RUNS'] ?? 12);
const seeds = onlySeed === undefined ? Array.from({ length: runs }, (_, index) => index + 1) : [Number(onlySeed)];

type Happened = LockWorld['happened'];

async function firstViolation(mutation?: LockMutation, tally?: Happened): Promise<string> {
  for (const seed of seeds) {
    const world = new LockWorld(seed, mutation);
    try {
      await world.live();
    } catch (error) {
      return `seed ${seed} (${world.kind}): ${error instanceof Violation ? error.message : String((error as Error).stack)}`;
    }
    for (const what of Object.keys(tally ?? {}) as (keyof Happened)[]) if (tally) tally[what] += world.happened[what];
  }
  return 'none';
}

describe(`the lock in ${seeds.length} simulated worlds`, () => {
  it('never lets in more than may be away, and everybody in the end', async () => {
    const tally = { entered: 0, lost: 0, crashed: 0, replaced: 0, freed: 0, misled: 0 };
    expect(await firstViolation(undefined, tally)).toBe('none');
    if (onlySeed !== undefined) return;
    // A world in which little happens proves little.
    for (const what of Object.values(tally)) expect(what).toBeGreaterThan(0);
  });

  describe.runIf(onlySeed === undefined)('finds', () => {
    it('an agent that does not list what the others hold', async () => {
      expect(await firstViolation({ port: withoutOthers })).toMatch(/seed \d+ .*: \d of \d/);
    });

    it('an agent that writes without a condition', async () => {
      expect(await firstViolation({ port: unconditional })).toMatch(/seed \d+ .*: (?:\d of \d|.* is held by)/);
    });

    it('a lock that expires', async () => {
      expect(await firstViolation({ staleAfterMs: 30_000 })).toMatch(/seed \d+ .*: \d of \d/);
    });
  });
});

function overlaid(port: KubernetesPort, over: Partial<KubernetesPort>): KubernetesPort {
  return { ...port, ...over };
}

function withoutOthers(port: KubernetesPort, node: string): KubernetesPort {
  return overlaid(port, {
    list: async (resource, scope, project, options) => {
      const listing = await port.list(resource, scope, (object) => ({ object, value: project(object) }), options);
      const isOthers = ({ spec }: { readonly spec?: { readonly holderIdentity?: string } }): boolean =>
        ![undefined, '', node].includes(spec?.holderIdentity);
      const seen = listing.items.filter(
        ({ object }) => resource.plural !== leases.plural || !isOthers(object as object),
      );
      return { ...listing, items: seen.map(({ value }) => value) };
    },
  });
}

function unconditional(port: KubernetesPort): KubernetesPort {
  return overlaid(port, {
    patch: async <T extends KubernetesObject>(
      resource: Resource<T>,
      target: Parameters<KubernetesPort['patch']>[1],
      patch: Patch,
    ) => {
      const { metadata, ...rest } = patch.body as { readonly metadata: object };
      const body = { ...rest, metadata: { ...metadata, resourceVersion: undefined } };
      return await port.patch(resource, target, { ...patch, body });
    },
  });
}
