import { describe, expect, it } from 'vitest';

import { Gatherer, type UseSource } from '../../../agent/images/gather.ts';
import type { ImageUser, Inventory } from '../../../agent/images/inventory.ts';
import { EmulatedNode } from '../../emulators/node.ts';
import { digestOf, idOf, MINUTE_MS } from './examples.ts';

const pod = { namespace: 'shop', name: 'web-7f', uid: 'u-1' };

async function create(sources: readonly UseSource[] = []): Promise<EmulatedNode> {
  return await EmulatedNode.create({ sources });
}

async function look({ clock, gatherer }: EmulatedNode): Promise<Inventory> {
  return await clock.run(gatherer.gather());
}

function calls({ faults }: EmulatedNode, method: string): number {
  return faults.calls.filter((call) => call.method === method).length;
}

/** Who uses the image that carries a tag. */
function users(inventory: Inventory, tag: string): readonly ImageUser[] {
  return inventory.images.find((image) => image.tags.includes(tag))?.users ?? [];
}

describe('an image is in use', () => {
  it.each(['running', 'created', 'exited', 'unknown'] as const)('by a container that is %s', async (state) => {
    const node = await create();
    node.store.addImage({ tags: ['docker.io/library/web:1'] });
    node.store.addImage({ tags: ['docker.io/library/idle:1'] });
    const id = node.store.createContainer({ image: 'docker.io/library/web:1', name: 'web', state, pod });
    const inventory = await look(node);
    expect(users(inventory, 'docker.io/library/web:1')).toEqual([{ kind: 'container', id, name: 'web', state, pod }]);
    expect(users(inventory, 'docker.io/library/idle:1')).toEqual([]);
    expect(inventory.unresolved).toEqual([]);
  });

  it('by any of the names a container gives: the tag may have moved to another image since', async () => {
    const node = await create();
    const old = node.store.addImage({ seed: 'old', tags: ['docker.io/library/web:1'] });
    node.store.createContainer({ image: 'docker.io/library/web:1', userSpecifiedImage: 'web:1' });
    const young = node.store.addImage({ seed: 'young', tags: ['docker.io/library/web:1'] });
    const { images } = await look(node);
    const used = images.filter((image) => image.users.length === 1).map((image) => image.id);
    expect(used.sort()).toEqual([old, young].sort());
  });

  it('by the sandbox that runs it', async () => {
    const node = await create();
    node.store.addImage({ tags: ['registry.k8s.io/odd-pause:9'] });
    const id = node.store.createSandbox({ pod, image: 'registry.k8s.io/odd-pause:9' });
    expect(users(await look(node), 'registry.k8s.io/odd-pause:9')).toEqual([{ kind: 'sandbox', id, pod }]);
  });

  it('by the runtime that makes sandboxes of it, also while there is none; it is asked once in ten minutes', async () => {
    const node = await create();
    node.store.addImage({ tags: ['mirror.example/base/sandbox:7'] });
    node.store.configuredSandboxImage = 'mirror.example/base/sandbox:7';
    for (let round = 0; round < 3; round += 1) {
      expect(users(await look(node), 'mirror.example/base/sandbox:7')).toEqual([{ kind: 'runtime' }]);
    }
    expect(calls(node, 'Status')).toBe(1);
    expect(node.history.of(node.store.resolve('mirror.example/base/sandbox:7')?.id ?? '').lastUsedMs).toBeUndefined();
    // What it said holds while it cannot be asked.
    await node.clock.advance(10 * MINUTE_MS);
    node.faults.add({ methods: ['Status'], error: { code: 2, details: 'no configuration' } });
    expect(users(await look(node), 'mirror.example/base/sandbox:7')).toEqual([{ kind: 'runtime' }]);
    expect(calls(node, 'Status')).toBe(2);
    const id = node.store.createSandbox({ pod, image: 'mirror.example/base/sandbox:7' });
    expect(users(await look(node), 'mirror.example/base/sandbox:7')).toEqual([{ kind: 'sandbox', id, pod }]);
  });

  it('by the container that mounts it as a volume', async () => {
    const node = await create();
    node.store.addImage({ tags: ['docker.io/library/web:1'] });
    node.store.addImage({ tags: ['docker.io/library/model:2'] });
    const containerId = node.store.createContainer({
      image: 'docker.io/library/web:1',
      name: 'web',
      mounts: ['model:2'],
      pod,
    });
    expect(users(await look(node), 'docker.io/library/model:2')).toEqual([
      { kind: 'volume', containerId, containerName: 'web', pod },
    ]);
  });

  it('by a pod of which the runtime knows nothing yet', async () => {
    const user: ImageUser = { kind: 'pod', pod };
    const node = await create([async () => [{ reference: 'web:1', user }]]);
    node.store.addImage({ tags: ['docker.io/library/web:1'] });
    expect(users(await look(node), 'docker.io/library/web:1')).toEqual([user]);
  });

  it('and that is its last use in the history', async () => {
    const node = await create();
    const id = node.store.addImage({ tags: ['docker.io/library/web:1'] });
    node.store.createContainer({ image: id });
    const inventory = await look(node);
    expect(inventory.images[0]?.lastUsedMs).toBe(node.history.of(id).lastUsedMs);
    expect(inventory.images[0]?.lastUsedMs).toBeDefined();
  });
});

describe('a use that cannot be told', () => {
  it('of a reference nobody lists is asked of the runtime; one that is not on the node protects nothing', async () => {
    const user: ImageUser = { kind: 'pod', pod };
    const node = await create([async () => [{ reference: 'not-here:1', user }]]);
    node.store.addImage({ tags: ['docker.io/library/web:1'] });
    const inventory = await look(node);
    expect(calls(node, 'ImageStatus')).toBe(1);
    expect([inventory.unresolved, users(inventory, 'docker.io/library/web:1')]).toEqual([[], []]);
  });

  it('because the runtime answers with an error is unresolved, with the reason', async () => {
    const user: ImageUser = { kind: 'pod', pod };
    const node = await create([async () => [{ reference: 'not-here:1', user }]]);
    node.faults.add({ methods: ['ImageStatus'], error: { code: 2, details: 'ambiguous' } });
    const { unresolved } = await look(node);
    expect(unresolved).toEqual([{ reference: 'not-here:1', user, why: expect.stringContaining('ambiguous') }]);
  });

  it('leaves the ages of all images as they are: it may be any of them', async () => {
    const node = await create([async () => [{ reference: 'not-here:1', user: { kind: 'pod', pod } }]]);
    node.store.addImage({ tags: ['docker.io/library/web:1'] });
    await look(node);
    node.faults.add({ methods: ['ImageStatus'], error: { code: 2, details: 'ambiguous' } });
    await node.clock.advance(5 * MINUTE_MS);
    const { images, takenAtMs } = await look(node);
    expect(images[0]?.firstSeenMs).toBe(takenAtMs);
  });

  it('because a container names no image is unresolved', async () => {
    const node = await create();
    const id = node.store.addImage({ tags: ['docker.io/library/web:1'] });
    node.store.createContainer({ image: id, name: 'web' });
    const { port } = node;
    const gatherer = new Gatherer({
      port: {
        ...port,
        listContainers: async () => (await port.listContainers()).map((one) => ({ ...one, imageReferences: [] })),
      },
      history: node.history,
      clock: node.clock,
    });
    expect((await gatherer.gather()).unresolved).toMatchObject([{ user: { name: 'web' } }]);
  });

  it.each([
    ['PodSandboxStatus', 'sandbox'],
    ['ContainerStatus', 'volume'],
  ] as const)('because %s fails is unresolved', async (method, kind) => {
    const node = await create();
    const id = node.store.addImage({ tags: ['docker.io/library/web:1'] });
    node.store.createContainer({ image: id });
    node.store.createSandbox({ pod });
    node.faults.add({ methods: [method], error: { code: 13, details: 'internal' } });
    expect((await look(node)).unresolved).toMatchObject([{ user: { kind }, why: expect.stringContaining('internal') }]);
  });

  it('because the runtime is away fails the look as a whole', async () => {
    const node = await create();
    node.store.createSandbox({ pod });
    node.faults.add({ methods: ['PodSandboxStatus'], error: { code: 14, details: 'connection refused' } });
    await expect(look(node)).rejects.toMatchObject({ code: 'runtime/unavailable' });
  });
});

describe('what a look costs', () => {
  it('each container and sandbox is asked about once in its life', async () => {
    const node = await create();
    const id = node.store.addImage({ tags: ['registry.k8s.io/odd-pause:9'] });
    node.store.createContainer({ image: id });
    node.store.createSandbox({ pod, image: id });
    await look(node);
    await look(node);
    node.store.createContainer({ image: id });
    const inventory = await look(node);
    expect([calls(node, 'ContainerStatus'), calls(node, 'PodSandboxStatus')]).toEqual([2, 1]);
    expect(inventory.images[0]?.users).toHaveLength(3);
  });

  it('a reference that many use is asked about once', async () => {
    const user: ImageUser = { kind: 'pod', pod };
    const node = await create([async () => Array.from({ length: 50 }, () => ({ reference: 'not-here:1', user }))]);
    await look(node);
    expect(calls(node, 'ImageStatus')).toBe(1);
  });

  it('never more than 8 status calls are in flight, and looks do not overlap', async () => {
    const node = await create();
    const id = node.store.addImage({ tags: ['docker.io/library/web:1'] });
    for (let count = 0; count < 50; count += 1) node.store.createContainer({ image: id });
    let inFlight = 0;
    let most = 0;
    let lists = 0;
    const { port } = node;
    const gatherer = new Gatherer({
      port: {
        ...port,
        listImages: async () => {
          lists += 1;
          expect(lists).toBe(1);
          return await port.listImages();
        },
        mountedImages: async () => {
          inFlight += 1;
          most = Math.max(most, inFlight);
          await node.clock.sleep(10);
          inFlight -= 1;
          return [];
        },
        listSandboxes: async () => {
          lists -= 1;
          return await port.listSandboxes();
        },
      },
      history: node.history,
      clock: node.clock,
    });
    await node.clock.run(Promise.all([gatherer.gather(), gatherer.gather()]));
    expect(most).toBe(8);
  });
});

describe('for how long no pod has come or gone', () => {
  it('is nothing at a first look, and begins anew with each container or sandbox that came or went', async () => {
    const node = await create();
    const image = node.store.addImage({ tags: ['docker.io/library/web:1'] });
    const unchangedMs = async () => {
      await node.clock.advance(MINUTE_MS);
      return (await look(node)).podsUnchangedMs;
    };
    expect(await unchangedMs()).toBe(0);
    expect(await unchangedMs()).toBe(MINUTE_MS);
    const container = node.store.createContainer({ image });
    expect(await unchangedMs()).toBe(0);
    node.store.containers.delete(container);
    node.store.createContainer({ image });
    expect(await unchangedMs()).toBe(0);
    expect(await unchangedMs()).toBe(MINUTE_MS);
  });
});

describe('the order of the lists', () => {
  it('an image that is pulled or used between them is not shown as unused', async () => {
    const node = await create();
    node.store.addImage({ tags: ['docker.io/library/web:1'] });
    node.faults.add({
      methods: ['ListImages', 'ListContainers'],
      after: 1,
      times: 1,
      onCall: () => {
        node.store.addImage({ tags: ['docker.io/library/late:1'] });
        node.store.createContainer({ image: 'docker.io/library/late:1' });
        node.store.createContainer({ image: 'docker.io/library/web:1' });
      },
    });
    const { images } = await look(node);
    expect(images.filter((image) => image.users.length === 0)).toEqual([]);
  });
});

describe('what is shown of an image', () => {
  it('its names, size, pin and history', async () => {
    const node = await create();
    const tag = 'docker.io/library/web:1';
    const digest = `docker.io/library/web@${digestOf('web')}`;
    node.store.addImage({ seed: 'web', tags: [tag], digests: [digest], sizeBytes: 5, pinned: true });
    const { images, takenAtMs } = await look(node);
    expect(images).toEqual([
      {
        id: idOf('web'),
        tags: [tag],
        digests: [digest],
        sizeBytes: 5,
        pinned: true,
        users: [],
        firstSeenMs: takenAtMs,
        lastUsedMs: undefined,
        preloaded: true,
        namelessSinceMs: undefined,
        failure: undefined,
      },
    ]);
  });

  it('that it has lost its names', async () => {
    const node = await create();
    node.store.addImage({ seed: 'bare' });
    const { images, takenAtMs } = await look(node);
    expect(images[0]?.namelessSinceMs).toBe(takenAtMs);
  });
});
