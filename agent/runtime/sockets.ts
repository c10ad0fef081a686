import { stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { NodetenderError } from '../errors.ts';

/**
 * Where runtimes listen. Distributions with a containerd of their own come first: their socket is there only when they
 * run, while the plain containerd beside them often belongs to Docker, which turns CRI off in it. cri-dockerd is left out
 * on purpose: containers that Docker runs for others are not in its lists, so what looks unused there may be in use.
 */
const usualSockets = [
  // k3s and RKE2
  '/run/k3s/containerd/containerd.sock',
  '/var/snap/microk8s/common/run/containerd.sock',
  '/run/k0s/containerd.sock',
  '/run/crio/crio.sock',
  '/run/containerd/containerd.sock',
];

/** Something that listens answers a local connection at once; a second is for a machine under load. */
const probeTimeoutMs = 1_000;

/** Linux keeps a socket's path in 108 bytes, the last of them zero (unix(7)). */
const maxSocketPathBytes = 107;

/**
 * The runtime's endpoint: the first usual socket that accepts a connection, or else the first that exists, whose error
 * then says more than a guess would. Throws `runtime/no-socket` naming every place.
 */
export async function findRuntimeEndpoint(places: readonly string[] = usualSockets): Promise<string> {
  const existing: string[] = [];
  for (const path of places) {
    const kind = await kindOfFile(path);
    if (kind === 'nothing') continue;
    if (kind === 'socket' && (await accepts(path))) return `unix://${path}`;
    existing.push(path);
  }
  const first = existing[0];
  if (first !== undefined) return `unix://${first}`;
  throw new NodetenderError(
    'runtime/no-socket',
    `no container runtime found. Expected a socket at one of ${places.join(', ')}; name the one your kubelet uses with --runtime-endpoint or runtime.endpoint, and in a container mount it`,
  );
}

/** The path in an endpoint as crictl takes it, with or without `unix://`. Throws `usage`. */
export function socketPath(endpoint: string): string {
  const path = endpoint.replace(/^unix:(?:\/\/)?(?=\/(?!\/))/, '');
  if (!path.startsWith('/')) {
    throw new NodetenderError(
      'usage',
      `runtime endpoint "${endpoint}": expected a Unix socket, as unix:///run/containerd/containerd.sock or /run/containerd/containerd.sock`,
    );
  }
  if (path.includes('\0') || Buffer.byteLength(path) > maxSocketPathBytes) {
    throw new NodetenderError(
      'usage',
      `runtime endpoint "${endpoint}": a socket's path has at most ${maxSocketPathBytes} bytes, this one has ${Buffer.byteLength(path)}`,
    );
  }
  return path;
}

/** What lies at a path; `forbidden` where we may not even look. */
export async function kindOfFile(path: string): Promise<'socket' | 'other' | 'nothing' | 'forbidden'> {
  try {
    return (await stat(path)).isSocket() ? 'socket' : 'other';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES' ? 'forbidden' : 'nothing';
  }
}

async function accepts(path: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ path });
    const done = (accepted: boolean): void => {
      socket.destroy();
      resolve(accepted);
    };
    socket.setTimeout(probeTimeoutMs, () => done(false));
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
  });
}
