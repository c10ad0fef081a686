import { hexOf } from './names.ts';
import type { Layer, RuntimeStore } from './store.ts';

/** A node as one finds them: a few bases under many teams' images, old builds nobody runs, aliases, orphans, pause. */
export interface RealisticNode {
  readonly images: number;
  /** The same seed gives the same node. */
  readonly seed: number;
}

const registry = 'registry.example';
const teams = ['shop', 'billing', 'search', 'identity', 'platform', 'reports'];
const services = ['web', 'api', 'worker', 'importer', 'gateway', 'scheduler', 'mailer', 'sync'];
const bases = ['debian:13-slim', 'alpine:3.24', 'node:26-slim', 'eclipse-temurin:25-jre', 'python:3.14-slim'];
const mebibyte = 1024 * 1024;
const pauseImage = 'registry.k8s.io/pause:3.10.1';

/** Fills a store with one node's images, pods and containers. */
export function fillRealistically(store: RuntimeStore, { images, seed }: RealisticNode): void {
  const random = mulberry32(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const megabytes = (least: number, most: number): number => Math.round(least + random() * (most - least)) * mebibyte;

  const baseLayers: Layer[] = bases.map((base) => ({ id: hexOf(`base ${base}`), sizeBytes: megabytes(8, 180) }));
  store.addImage({ tags: [pauseImage], digests: [digestOf(pauseImage)], sizeBytes: 320_000, pinned: true });

  const builds = new Map<string, number>();
  const tags: string[] = [];
  while (store.images.size < images) {
    const share = random();
    if (share < 0.03) {
      // What a crash in the middle of a removal leaves: neither tag nor digest.
      store.addImage({ seed: `orphan ${store.images.size}`, sizeBytes: megabytes(20, 200) });
      continue;
    }
    const repository = `${registry}/${pick(teams)}/${pick(services)}`;
    const build = (builds.get(repository) ?? 0) + 1;
    builds.set(repository, build);
    const tag = `${repository}:1.${build}.${Math.floor(random() * 5)}`;
    const own: Layer = { id: hexOf(`layer ${tag}`), sizeBytes: megabytes(5, 120) };
    const base = pick(baseLayers);
    store.addImage({
      // Some were pulled by digest and never had a tag; the newest build often carries a second one.
      tags: share < 0.08 ? [] : share < 0.14 ? [tag, `${repository}:stable`] : [tag],
      digests: [digestOf(tag)],
      seed: tag,
      sizeBytes: Math.round((base.sizeBytes + own.sizeBytes) * 0.4),
      layers: [base, own],
    });
    if (share >= 0.08) tags.push(tag);
  }

  const pods = Math.min(40, Math.floor(images / 6));
  for (let index = 0; index < pods; index += 1) {
    const tag = pick(tags);
    const [, team = '', service = ''] = tag.replace(/:.*/, '').split('/');
    const suffix = hexOf(`pod ${seed} ${index}`);
    const pod = {
      namespace: team,
      name: `${service}-${suffix.slice(0, 10)}-${suffix.slice(10, 15)}`,
      uid: suffix.slice(0, 32),
    };
    const sandboxId = store.createSandbox({ pod, image: pauseImage });
    const image = store.resolve(tag)?.id ?? tag;
    store.createContainer({ image, userSpecifiedImage: tag, name: service, sandboxId, pod });
    // A container that crashed an hour ago still holds its image, though nothing runs of it.
    if (index % 8 === 0) store.createContainer({ image: pick(tags), name: 'migrate', sandboxId, pod, state: 'exited' });
  }
}

function digestOf(tag: string): string {
  return `${tag.replace(/:[^:/]*$/, '')}@sha256:${hexOf(`manifest of ${tag}`)}`;
}

/** A small generator with a seed (mulberry32): good enough for a demonstration, the same everywhere. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
