import { beforeEach, describe, expect, it } from 'vitest';

import type { NodeObject } from '../../../../agent/cluster/objects.ts';
import { NodeCondition } from '../../../../agent/duties/reboot/condition.ts';
import { VirtualClock } from '../../../emulators/clock.ts';

const wanted = { status: 'True', reason: 'Held', message: 'the node is held: a person' } as const;
const notWanted = { status: 'False', reason: 'NothingWanted', message: 'no reboot is wanted' } as const;
const { signal } = new AbortController();

let clock: VirtualClock;
let written: string[];
let condition: NodeCondition;

beforeEach(() => {
  clock = new VirtualClock();
  written = [];
  const patch = async (_: unknown, __: unknown, { body }: { readonly body: unknown }): Promise<NodeObject> => {
    const { status } = body as { status: { conditions: { status: string }[] } };
    written.push(...status.conditions.map((one) => one.status));
    return await Promise.resolve({ metadata: { name: 'web-1', uid: 'u', resourceVersion: '1' } } as NodeObject);
  };
  condition = new NodeCondition({
    type: 'RebootRequired',
    usual: 'False',
    port: { patch } as unknown as ConstructorParameters<typeof NodeCondition>[0]['port'],
    nodeName: 'web-1',
    clock,
  });
});

/** What is seen of the Node, now and for as long. */
async function seenFor(ms: number, status: string | undefined): Promise<void> {
  const seen = new Map(status === undefined ? [] : [['RebootRequired', status]]);
  condition.compare(seen);
  await clock.advance(ms);
  condition.compare(seen);
}

describe('a condition of the Node', () => {
  it('is written once while what is seen of it lags behind', async () => {
    await condition.follow(wanted, signal);
    await seenFor(50_000, undefined);
    await seenFor(50_000, 'True');
    await condition.follow(wanted, signal);
    expect(written).toEqual(['True']);
  });

  it('is written anew where a write that was given up has undone it', async () => {
    await condition.follow(wanted, signal);
    await seenFor(60_000, 'False');
    await condition.follow(wanted, signal);
    expect(written).toEqual(['True', 'True']);
  });

  it('is written anew where somebody has taken it away', async () => {
    await condition.follow(wanted, signal);
    await seenFor(60_000, undefined);
    await condition.follow(wanted, signal);
    expect(written).toEqual(['True', 'True']);
  });

  it('is taken back where it came late, though there was nothing to say', async () => {
    await seenFor(60_000, 'True');
    await condition.follow(notWanted, signal);
    expect(written).toEqual(['False']);
  });
});
