import { beforeEach, describe, expect, it } from 'vitest';

import { type NodeView, viewOfNode } from '../../../../agent/cluster/node.ts';
import type { NodeObject } from '../../../../agent/cluster/objects.ts';
import { OwnNodeView } from '../../../../agent/duties/reboot/ownnode.ts';
import { VirtualClock } from '../../../emulators/clock.ts';

const MINUTE = 60_000;
let clock: VirtualClock;
let watched: NodeView | undefined;
let own: OwnNodeView;

beforeEach(() => {
  clock = new VirtualClock();
  watched = viewOfNode(node('1', 'waiting'));
  own = new OwnNodeView(() => watched, clock);
});

function node(
  resourceVersion: string,
  record?: string,
  more: { uid?: string; unschedulable?: boolean } = {},
): NodeObject {
  const { uid = 'first', unschedulable = false } = more;
  const annotations: Record<string, string> = record === undefined ? {} : { 'nodetender.dev/reboot-status': record };
  return { metadata: { name: 'node-1', uid, resourceVersion, annotations }, spec: { unschedulable } };
}

describe('the Node as the machine sees it', () => {
  it('is that of our own write until the watch has come to it, whatever it tells before', () => {
    own.learn(node('3', 'cordoned', { unschedulable: true }), watched);
    watched = viewOfNode(node('2', 'waiting'));
    expect(own.current).toMatchObject({ resourceVersion: '3', unschedulable: true });
    watched = viewOfNode(node('4', 'cordoned'));
    expect(own.current).toMatchObject({ resourceVersion: '4', unschedulable: false });
  });

  it('is what we were answered, where the watch hangs and would show for ever what is no longer so', () => {
    own.learn(node('2', 'waiting', { unschedulable: true }), watched);
    expect(own.current).toMatchObject({ resourceVersion: '2', unschedulable: true });
    watched = viewOfNode(node('3', 'waiting'));
    expect(own.current?.unschedulable).toBe(false);
  });

  it('is the one that was registered anew, where the watch still shows the one before', () => {
    own.learn(node('7', undefined, { uid: 'second' }), watched);
    expect(own.current?.uid).toBe('second');
    watched = viewOfNode(node('5', 'wanted'));
    expect(own.current?.uid).toBe('second');
    watched = viewOfNode(node('7', undefined, { uid: 'second' }));
    expect(own.current).toBe(watched);
  });

  it('is what the watch told while an answer was on its way: nobody knows which is newer', () => {
    const asked = watched;
    watched = viewOfNode(node('3', 'waiting', { unschedulable: true }));
    own.learn(node('2', 'waiting'), asked);
    expect(own.current).toBe(watched);
  });

  it('is after a while what the watch shows, whatever we were answered', async () => {
    own.learn(node('2', 'waiting', { unschedulable: true }), watched);
    await clock.advance(MINUTE);
    expect(own.current).toBe(watched);
  });
});
