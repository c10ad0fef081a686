import { describe, expect, it } from 'vitest';

import type { LeaseObject } from '../../../../agent/cluster/objects.ts';
import { freedBody, isHeldBy, takenBody, viewOfSlot } from '../../../../agent/reboot/lock/slot.ts';

const node = { name: 'node-1', uid: 'uid-1' };
const nowMs = Date.UTC(2026, 0, 2, 3, 4, 5, 6);

/** As the API server makes it of a body: what is null is not there. */
function lease(body: { readonly metadata: object; readonly spec: object }, over: object = {}): LeaseObject {
  const metadata = { name: 'nodetender-workers-0', uid: 'u', resourceVersion: '7', ...body.metadata, ...over };
  const text = JSON.stringify({ metadata, spec: body.spec }, (_, value: unknown) => value ?? undefined);
  return JSON.parse(text) as LeaseObject;
}

describe('the Lease of a slot', () => {
  it('says who holds it, and since when', () => {
    const slot = viewOfSlot(lease(takenBody(undefined, 'workers', node, nowMs)));
    expect(slot).toMatchObject({ pool: 'workers', holder: { node: 'node-1', uid: 'uid-1' }, acquiredAtMs: nowMs });
    expect(isHeldBy(slot, node)).toBe(true);
  });

  it('is not held by a node that was registered again under the same name', () => {
    const slot = viewOfSlot(lease(takenBody(undefined, 'workers', node, nowMs)));
    expect(isHeldBy(slot, { ...node, uid: 'uid-2' })).toBe(false);
    expect(slot.holder).toBeDefined();
  });

  it('goes with its Node, and never by itself', () => {
    const { metadata, spec } = lease(takenBody(undefined, 'workers', node, nowMs));
    expect(metadata.ownerReferences).toEqual([{ apiVersion: 'v1', kind: 'Node', name: 'node-1', uid: 'uid-1' }]);
    expect(spec).not.toHaveProperty('leaseDurationSeconds');
  });

  it('is free after its release, and names those who come next', () => {
    const hint = { nodes: ['node-2'], waiting: 1 };
    const slot = viewOfSlot(lease(freedBody(hint, nowMs)));
    expect(slot).toMatchObject({ holder: undefined, hint });
    expect(viewOfSlot(lease(freedBody(undefined, nowMs))).hint).toBeUndefined();
  });

  it('is nobody’s where a person has written a holder without an owner', () => {
    const slot = viewOfSlot(lease({ metadata: {}, spec: { holderIdentity: 'node-1' } }));
    expect(slot.holder).toEqual({ node: 'node-1', uid: undefined });
    expect(isHeldBy(slot, node)).toBe(false);
  });

  it('is neither held nor free while it is being deleted', () => {
    const deletionTimestamp = new Date(nowMs).toISOString();
    const slot = viewOfSlot(lease(takenBody(undefined, 'workers', node, nowMs), { deletionTimestamp }));
    expect(isHeldBy(slot, node)).toBe(false);
    expect(slot.holder).toBeDefined();
    expect(viewOfSlot(lease(freedBody(undefined, nowMs), { deletionTimestamp })).holder).toBeDefined();
  });
});
