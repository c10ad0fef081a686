import { readdir, readFile, readlink } from 'node:fs/promises';

/** State of a socket in /proc/net/tcp: https://www.kernel.org/doc/html/latest/networking/proc_net_tcp.html */
const ESTABLISHED = '01';

/**
 * The ports from which a process is connected to a server's port on 127.0.0.1, as the server's end of each connection
 * shows them.
 */
export async function connectionsTo(serverPort: number, clientPid: number): Promise<number[]> {
  const sockets = await establishedSockets();
  const inodes = await socketsOf(clientPid);
  const ofClient = sockets.filter(({ inode, remotePort }) => remotePort === serverPort && inodes.has(inode));
  const ports = new Set(ofClient.map(({ localPort }) => localPort));
  return sockets
    .filter(({ localPort, remotePort }) => localPort === serverPort && ports.has(remotePort))
    .map(({ remotePort }) => remotePort)
    .toSorted((one, other) => one - other);
}

interface TcpSocket {
  readonly localPort: number;
  readonly remotePort: number;
  readonly inode: string;
}

async function establishedSockets(): Promise<TcpSocket[]> {
  const files = await Promise.all(['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8')));
  return files
    .flatMap((text) => text.trim().split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , state]) => state === ESTABLISHED)
    .map(([, local = '', remote = '', , , , , , , inode = '']) => ({
      localPort: portOf(local),
      remotePort: portOf(remote),
      inode,
    }));
}

/** `0100007F:1F90` */
function portOf(address: string): number {
  return Number.parseInt(address.slice(address.indexOf(':') + 1), 16);
}

async function socketsOf(pid: number): Promise<ReadonlySet<string>> {
  const folder = `/proc/${pid}/fd`;
  // A file that is closed meanwhile is no socket of interest.
  const targets = await Promise.all((await readdir(folder)).map((fd) => readlink(`${folder}/${fd}`).catch(() => '')));
  return new Set(targets.flatMap((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []));
}
