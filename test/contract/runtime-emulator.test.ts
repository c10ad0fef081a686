import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectRuntime } from '../../agent/runtime/cri.ts';
import { measuredCost } from '../emulators/runtime/garbage-collector.ts';
import { inMemoryPort } from '../emulators/runtime/in-memory-port.ts';
import { RuntimeServer } from '../emulators/runtime/server.ts';
import { type RuntimeKind, RuntimeStore } from '../emulators/runtime/store.ts';
import { type ContainerToCreate, describeRuntimeContract, type RuntimeUnderTest } from './runtime.contract.ts';

const pauseImage = 'registry.k8s.io/pause:3.10.1';

describeRuntimeContract('the store in memory', async () => {
  const store = newStore('containerd');
  return {
    port: inMemoryPort(store),
    ...driving(store),
    restart: async () => store.crash(),
    dispose: async () => undefined,
  };
});

for (const [kind, streams] of [
  ['containerd', false],
  ['containerd', true],
  ['cri-o', false],
] as const) {
  describeRuntimeContract(`the emulated ${kind}${streams ? ' with streamed lists' : ''}`, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'nodetender-contract-'));
    const store = newStore(kind);
    const server = new RuntimeServer({ store, streams, socketPath: join(directory, 'runtime.sock') });
    await server.start();
    return {
      port: connectRuntime({ endpoint: server.endpoint }),
      ...driving(store),
      restart: async () => await server.restart(),
      dispose: async () => {
        await server.stop();
        await rm(directory, { recursive: true });
      },
    };
  });
}

function newStore(kind: RuntimeKind): RuntimeStore {
  const store = new RuntimeStore({ kind, cost: measuredCost });
  store.addImage({ tags: [pauseImage] });
  if (kind === 'containerd') store.configuredSandboxImage = pauseImage;
  return store;
}

/** What the contract does to a runtime beside the port, done to a store. */
function driving(store: RuntimeStore): Omit<RuntimeUnderTest, 'port' | 'restart' | 'dispose'> {
  return {
    refusesInUse: store.kind === 'cri-o',
    configuredSandboxImage: store.configuredSandboxImage,
    importImages: async (images) => {
      for (const { content, tags } of images) store.addImage({ seed: content, tags });
    },
    createContainer: async ({ image, state, pod, name }: ContainerToCreate) => {
      const identity = { ...pod, uid: `uid of ${pod.name}` };
      const sandboxId = store.createSandbox({ pod: identity, image: pauseImage });
      return { sandboxId, containerId: store.createContainer({ image, state, name, sandboxId, pod: identity }) };
    },
    removeContainer: async ({ containerId, sandboxId }) => {
      store.removeContainer(containerId);
      store.removeSandbox(sandboxId);
    },
  };
}
