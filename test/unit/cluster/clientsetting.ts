import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Clock } from '../../../agent/clock.ts';
import { inCluster } from '../../../agent/cluster/access.ts';
import { KubernetesClient, type KubernetesClientOptions } from '../../../agent/cluster/client.ts';
import { ClusterError } from '../../../agent/cluster/errors.ts';
import { ClusterTransport, type TransportOptions } from '../../../agent/cluster/transport.ts';
import { CertificateAuthority } from '../../harness/certificates.ts';
import { type Protocol, type Reply, ScriptedServer } from '../../harness/scriptedserver.ts';
import { QuickClock } from './quickclock.ts';

export const authority = new CertificateAuthority();

export const one = { metadata: { name: 'node-1', uid: 'u', resourceVersion: '7' } };
export const name = { name: 'node-1' };

/** A list of objects with these names; `next` is its continue token. */
export function page(names: readonly string[], next?: string): object {
  return {
    metadata: { resourceVersion: '9', ...(next === undefined ? {} : { continue: next }) },
    items: names.map((each) => ({ metadata: { name: each, uid: each, resourceVersion: '1' } })),
  };
}

type Options = Partial<Omit<KubernetesClientOptions & TransportOptions, 'transport' | 'access' | 'clock'>>;

/** Clients with a pod's identity, and a server that says what the test wants. */
export class ClientSetting {
  readonly server: ScriptedServer;
  readonly folder: string;
  readonly clock = new QuickClock();
  readonly #closing: { close(): void }[] = [];

  private constructor(server: ScriptedServer, folder: string) {
    this.server = server;
    this.folder = folder;
  }

  static async start(protocol: Protocol): Promise<ClientSetting> {
    const server = await ScriptedServer.start(authority, protocol);
    const setting = new ClientSetting(server, await mkdtemp(join(tmpdir(), 'nodetender-')));
    await setting.giveIdentity('first-token\n', authority.certificate);
    return setting;
  }

  async giveIdentity(token: string, ca: string): Promise<void> {
    await writeFile(join(this.folder, 'token'), token);
    await writeFile(join(this.folder, 'ca.crt'), ca);
  }

  async client(options: Options = {}, its: Clock = this.clock, port = this.server.port): Promise<KubernetesClient> {
    const access = await inCluster({ host: '127.0.0.1', port: String(port), folder: this.folder }, its);
    const transport = new ClusterTransport({ access, clock: its, ...options });
    const made = new KubernetesClient({
      transport,
      clock: its,
      random: () => 0.5,
      userAgent: 'nodetender/test',
      ...options,
    });
    this.#closing.push(made);
    return made;
  }

  async close(): Promise<void> {
    for (const each of this.#closing) each.close();
    await this.server.close();
    await rm(this.folder, { recursive: true });
  }
}

/** What a call is rejected with. */
export async function failure(promise: Promise<unknown>): Promise<ClusterError> {
  const error: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(error instanceof ClusterError)) throw new Error(`expected a ClusterError, not ${String(error)}`);
  return error;
}

/** Writes `text` until nobody takes it any more. */
export function pourOut(response: Parameters<Reply>[0], text: string): void {
  response.write(text, (error?: Error | null) => {
    if (error === undefined || error === null) pourOut(response, text);
  });
}
