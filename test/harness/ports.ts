import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

/** How many ports each process asks for at most before another's begin: the longest file of tests takes about a hundred. */
const STRETCH = 256;
const LOWEST = 10_240;

/**
 * Linux gives its outgoing connections ports from here on. One that is below cannot be taken by a connection of anybody in the
 * moment between its choice and the server's start, nor while a server is away for a restart.
 */
const outgoingFrom = Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s+/u)[0]);

let given = 0;

/**
 * Ports of 127.0.0.1 that nothing listens on, all different, none given before by this process: for servers that must be told
 * one and keep it. Test files run side by side in processes of their own, so each takes from a stretch of its own.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = nextPort();
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

function nextPort(): number {
  const stretches = Math.floor((outgoingFrom - LOWEST) / STRETCH);
  const first = LOWEST + (process.pid % stretches) * STRETCH;
  given += 1;
  if (given > STRETCH * 8) throw new Error(`${given} ports were asked for by one process: expected a leak`);
  return LOWEST + ((first - LOWEST + given) % (stretches * STRETCH));
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
  } catch {
    return false;
  }
  const closed = once(server, 'close');
  server.close();
  await closed;
  return true;
}
