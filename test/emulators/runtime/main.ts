import { parseArgs } from 'node:util';
import { measuredCost } from './garbage-collector.ts';
import { fillRealistically } from './realistic.ts';
import { RuntimeServer } from './server.ts';
import { RuntimeStore } from './store.ts';

/**
 * An emulated runtime as a process: `node test/emulators/runtime/main.ts --socket PATH [--images 300] [--seed 1]
 * [--kind containerd|cri-o] [--streams]`. Prints one line when it serves; ends on SIGTERM or SIGINT.
 */
const { values } = parseArgs({
  options: {
    socket: { type: 'string' },
    images: { type: 'string', default: '300' },
    seed: { type: 'string', default: '1' },
    kind: { type: 'string', default: 'containerd' },
    streams: { type: 'boolean', default: false },
  },
});

const images = Number(values.images);
const seed = Number(values.seed);
if (values.socket === undefined || !Number.isSafeInteger(images) || !Number.isSafeInteger(seed)) {
  process.stderr.write('expected --socket PATH, and whole numbers for --images and --seed\n');
  process.exit(2);
}

const store = new RuntimeStore({ kind: values.kind === 'cri-o' ? 'cri-o' : 'containerd', cost: measuredCost });
fillRealistically(store, { images, seed });
const server = new RuntimeServer({ store, socketPath: values.socket, streams: values.streams });
await server.start();
process.stdout.write(
  `serving ${store.images.size} images and ${store.containers.size} containers on ${server.endpoint}\n`,
);

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => void server.stop().then(() => process.exit(0)));
}
