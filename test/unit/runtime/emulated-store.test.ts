import { describe, expect, it } from 'vitest';
import { GarbageCollector } from '../../emulators/runtime/garbage-collector.ts';
import { inMemoryPort } from '../../emulators/runtime/in-memory-port.ts';
import { fillRealistically } from '../../emulators/runtime/realistic.ts';
import { RuntimeStore } from '../../emulators/runtime/store.ts';

const cost = { collectionMs: 10, perImageMs: 0 };

describe('the emulated removal of an image, as containerd does it', () => {
  it('takes any unique prefix of an ID, and the empty one when one image is left', async () => {
    const store = new RuntimeStore();
    const [first, second] = [store.addImage({ tags: ['a:1'] }), store.addImage({ tags: ['b:1'] })];
    await store.removeImage(first.slice('sha256:'.length, 20));
    expect([...store.images.keys()]).toEqual([second]);
    await store.removeImage('');
    expect(store.images.size).toBe(0);
  });

  it('takes a short name for the full one, and answers a name it does not know as if it had removed it', async () => {
    const store = new RuntimeStore();
    store.addImage({ tags: ['docker.io/library/busybox:latest', 'registry.example/alias:1'] });
    await store.removeImage('Not A Name!');
    await store.removeImage('busybox:2');
    expect(store.images.size).toBe(1);
    await store.removeImage('busybox');
    expect(store.images.size).toBe(0);
  });

  it('refuses a prefix that two images share', async () => {
    const store = new RuntimeStore();
    store.addImage({ tags: ['a:1'] });
    store.addImage({ tags: ['b:1'] });
    await expect(store.removeImage('')).rejects.toThrow(/ambiguous/);
  });

  it('moves a name that another image is given', () => {
    const store = new RuntimeStore();
    const old = store.addImage({ seed: 'old', tags: ['a:1', 'a:old'] });
    const fresh = store.addImage({ seed: 'new', tags: ['docker.io/library/a:1'] });
    expect(store.images.get(old)?.tags).toEqual(['a:old']);
    expect(store.resolve('a:1')?.id).toBe(fresh);
  });

  it('leaves a record without a name when the runtime dies in the middle', async () => {
    const store = new RuntimeStore({ cost });
    const id = store.addImage({ tags: ['a:1'] });
    const removal = inMemoryPort(store).removeImage(id);
    await Promise.resolve();
    store.crash();
    await expect(removal).rejects.toMatchObject({ code: 'runtime/unavailable' });
    expect(store.images.get(id)).toMatchObject({ tags: [], digests: [] });
  });

  it('frees a shared layer only with its last image, and none that a container still needs', async () => {
    const store = new RuntimeStore();
    const base = { id: 'base', sizeBytes: 100 };
    const [one, two] = ['one', 'two'].map((seed) =>
      store.addImage({ seed, tags: [`${seed}:1`], layers: [base, { id: seed, sizeBytes: 10 }] }),
    ) as [string, string];
    store.createContainer({ image: 'two:1' });
    await store.removeImage(one);
    expect(store.diskUsedBytes()).toBe(110);
    await store.removeImage(two);
    expect(store.diskUsedBytes()).toBe(110);
    expect(store.removals.map(({ usedBy }) => usedBy.length)).toEqual([0, 1]);
  });
});

describe('the emulated garbage collection', () => {
  it('is shared by the calls that wait for it, and not by those that come while it runs', async () => {
    let sleeps = 0;
    const wakes: (() => void)[] = [];
    const clock = {
      nowMs: () => 0,
      monotonicMs: () => 0,
      sleep: async () => {
        sleeps += 1;
        await new Promise<void>((resolve) => wakes.push(resolve));
      },
    };
    const collector = new GarbageCollector(clock, cost);
    const settle = async (): Promise<void> => {
      for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
    };
    const together = [collector.collect(3), collector.collect(3)];
    await settle();
    const late = collector.collect(3);
    await settle();
    expect(sleeps).toBe(1);
    wakes[0]?.();
    expect(await Promise.all(together)).toEqual([true, true]);
    await settle();
    expect(sleeps).toBe(2);
    wakes[1]?.();
    expect(await late).toBe(true);
  });
});

describe('the realistic node', () => {
  it('is the same for the same seed, and has images in use, aliases, digest-only ones and orphans', () => {
    const [one, same, other] = [1, 1, 2].map((seed) => {
      const store = new RuntimeStore();
      fillRealistically(store, { images: 300, seed });
      return store;
    });
    const images = [...(one?.images.values() ?? [])];
    expect(images).toEqual([...(same?.images.values() ?? [])]);
    expect(images).not.toEqual([...(other?.images.values() ?? [])]);
    expect(images).toHaveLength(300);
    expect(one?.containers.size).toBeGreaterThan(30);
    expect(images.some(({ tags, digests }) => tags.length + digests.length === 0)).toBe(true);
    expect(images.some(({ tags, digests }) => tags.length === 0 && digests.length > 0)).toBe(true);
    expect(images.some(({ tags }) => tags.length === 2)).toBe(true);
  });
});
