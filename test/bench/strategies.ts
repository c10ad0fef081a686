import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import type { Containerd } from '../harness/containerd.ts';
import { Service } from '../harness/grpc.ts';
import type { MadeImage } from '../harness/images.ts';

/** What a strategy tells of itself, beside what is measured of containerd. */
export interface Told {
  /** Only ours: 99 of 100 turns of its event loop were delayed by less. */
  readonly eventLoopDelayMs?: number;
}

export interface Strategy {
  readonly name: string;
  /** Makes ready to remove `images`, and nothing else, on the call that it resolves to: only that is measured. */
  prepare(containerd: Containerd, images: readonly MadeImage[]): Promise<() => Promise<Told>>;
}

/** In flight, as in the reference measurements of the native API. */
const NATIVE_IN_FLIGHT = 16;

/** As the kubelet, Eraser and `crictl rmi --prune` do. */
export const oneAtATime: Strategy = {
  name: 'one at a time',
  prepare: (containerd, images) =>
    Promise.resolve(async () => {
      for (const { id } of images) await containerd.cri.removeImage(id);
      return {};
    }),
};

export const gentle: Strategy = ours('gentle');
export const fast: Strategy = ours('fast');

/** What no client can pass: containerd's own API, one garbage collection for all. It looks after no one's safety. */
export const limit: Strategy = {
  name: 'limit: native API',
  prepare: (containerd, images) =>
    Promise.resolve(async () => {
      const service = new Service(containerd.endpoint, 'nativeimages.proto', 'containerd.services.images.v1.Images');
      const remove = (name: string, sync: boolean) =>
        service.call('Delete', { name, sync }, { 'containerd-namespace': 'k8s.io' });
      try {
        const names = images.flatMap((image) => [...image.names, image.id]);
        const last = names.pop();
        const queue = names.values();
        const lane = async () => {
          for (const name of queue) await remove(name, false);
        };
        await Promise.all(Array.from({ length: NATIVE_IN_FLIGHT }, lane));
        if (last !== undefined) await remove(last, true);
      } finally {
        service.close();
      }
      return {};
    }),
};

/** The agent's own code in a process of its own, as it runs on a node: started and connected before it is asked to clean. */
function ours(pace: 'gentle' | 'fast'): Strategy {
  return {
    name: `nodetender, ${pace}`,
    async prepare(containerd) {
      const script = fileURLToPath(new URL('clean.bench.ts', import.meta.url));
      const child = spawn(process.execPath, [script, containerd.endpoint, pace], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      const ended = once(child, 'exit');
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      await lines.next();
      return async () => {
        child.stdin.end('go\n');
        const { value } = await lines.next();
        await ended;
        if (child.exitCode !== 0 || value === undefined) throw new Error(`the cleaning ended with ${child.exitCode}`);
        return JSON.parse(value) as Told;
      };
    },
  };
}
