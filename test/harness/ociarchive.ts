import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** What an image says of how it is run. */
interface ImageConfig {
  readonly architecture: string;
  readonly config: {
    readonly User?: string;
    readonly Entrypoint?: readonly string[];
    readonly Cmd?: readonly string[];
    readonly Env?: readonly string[];
    readonly StopSignal?: string;
    readonly Labels?: Readonly<Record<string, string>>;
  };
}

export interface LayerFile {
  readonly path: string;
  /** As `ls -l` shows it. */
  readonly mode: string;
  /** `user/group`, as numbers. */
  readonly owner: string;
  readonly sizeBytes: number;
}

export interface ArchivedLayer {
  readonly compressedBytes: number;
  readonly files: readonly LayerFile[];
}

export interface ArchivedImage {
  readonly config: ImageConfig;
  /** Bottom first. */
  readonly layers: readonly ArchivedLayer[];
}

interface Descriptor {
  readonly digest: string;
  readonly size: number;
}

/** Reads an OCI archive of one image with nothing but tar. */
export async function readArchive(path: string): Promise<ArchivedImage> {
  const { manifests } = await read<{ manifests: Descriptor[] }>(path, 'index.json');
  const [descriptor] = manifests;
  if (descriptor === undefined || manifests.length > 1) throw new Error(`${path} holds ${manifests.length} images`);
  const manifest = await read<{ config: Descriptor; layers: Descriptor[] }>(path, blob(descriptor));
  const layers = manifest.layers.map(async (layer) => {
    const script = 'tar --extract --to-stdout --file "$0" "$1" | tar --list --verbose --numeric-owner --gzip --file -';
    const { stdout } = await execute('sh', ['-c', script, path, blob(layer)]);
    return { compressedBytes: layer.size, files: stdout.trim().split('\n').map(listed) };
  });
  return { config: await read<ImageConfig>(path, blob(manifest.config)), layers: await Promise.all(layers) };
}

async function read<T>(archive: string, name: string): Promise<T> {
  const { stdout } = await execute('tar', ['--extract', '--to-stdout', '--file', archive, name]);
  return JSON.parse(stdout) as T;
}

function blob({ digest }: Descriptor): string {
  return `blobs/${digest.replace(':', '/')}`;
}

/** `-r--r--r-- 0/0  1684487 2026-11-23 09:02 opt/nodetender/kubeconfig.cjs` */
function listed(line: string): LayerFile {
  const [mode = '', owner = '', size = '', , , path = ''] = line.split(/ +/);
  return { path, mode, owner, sizeBytes: Number(size) };
}
