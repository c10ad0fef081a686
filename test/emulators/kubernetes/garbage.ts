import { listAt, type StoredObject, textAt } from './objects.ts';
import type { ObjectStore } from './store.ts';

/**
 * The garbage collector: an object that names owners goes when the last of them is gone, also one that is made after that.
 * The real one needs a few seconds and also honours `blockOwnerDeletion`.
 */
export function runGarbageCollector(store: ObjectStore): () => void {
  return store.listen(({ type, object, storedAs: changedAs }) => {
    if (type !== 'DELETED') {
      const owners = ownersOf(object);
      if (owners.length === 0) return;
      const uids = new Set([...store.all()].map(({ object: { metadata } }) => metadata.uid));
      if (!owners.some((uid) => uids.has(uid))) store.delete({ storedAs: changedAs }, object);
      return;
    }
    const all = [...store.all()];
    const uids = new Set(all.map(({ object: { metadata } }) => metadata.uid));
    for (const { storedAs, object: dependent } of all) {
      const owners = ownersOf(dependent);
      const isOrphan = owners.includes(object.metadata.uid) && !owners.some((uid) => uids.has(uid));
      if (isOrphan) store.delete({ storedAs }, dependent);
    }
  });
}

function ownersOf(object: StoredObject): string[] {
  return listAt(object, 'metadata.ownerReferences').map((owner) => textAt(owner, 'uid'));
}
