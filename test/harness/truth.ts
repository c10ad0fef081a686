import type { Containerd } from './containerd.ts';
import type { MadeImage } from './images.ts';

/** What containerd itself says that it holds, read with its own tool. */
export interface Truth {
  /** Names of image records: references, and IDs. */
  readonly records: ReadonlySet<string>;
  readonly snapshots: ReadonlySet<string>;
  readonly content: ReadonlySet<string>;
  /** IDs of containers and sandboxes, whose writable layers are snapshots of the same name. */
  readonly containers: ReadonlySet<string>;
}

export async function readTruth(containerd: Containerd): Promise<Truth> {
  const [records, snapshots, content, containers] = await Promise.all([
    containerd.ctr('images', 'ls', '-q'),
    containerd.ctr('snapshots', 'ls'),
    containerd.ctr('content', 'ls', '-q'),
    containerd.ctr('containers', 'ls', '-q'),
  ]);
  return {
    records: new Set(lines(records)),
    snapshots: new Set(
      lines(snapshots)
        .slice(1)
        .map((line) => line.split(/\s+/, 1)[0] ?? ''),
    ),
    content: new Set(lines(content)),
    containers: new Set(lines(containers)),
  };
}

/** What containerd should hold when `images` are all its images: nothing more is reachable. */
export function truthOf(images: readonly MadeImage[], containers: Iterable<string>): Truth {
  const running = new Set(containers);
  return {
    records: new Set(images.flatMap((image) => [image.id, ...image.names])),
    snapshots: new Set([...images.flatMap((image) => image.chainIds), ...running]),
    content: new Set(images.flatMap((image) => image.blobs)),
    containers: running,
  };
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
