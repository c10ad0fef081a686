import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';

import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import { ClusterError } from './errors.ts';

/** Where the API server is and how to be let in. */
export interface ClusterAccess {
  /** `https://host:port`, perhaps with a path; `http:` only for a local proxy such as `kubectl proxy`. */
  readonly server: URL;
  /** The namespace that this identity works in by default. */
  readonly namespace: string | undefined;
  /** What to show now, at most a minute old. Throws `cluster/no-access`. */
  present(): Promise<Identity>;
  /** The server has refused what was shown: read it all again. */
  forget(): void;
}

export interface Identity {
  readonly tls: TlsMaterial;
  /** Authorization and, where asked for, impersonation. */
  readonly headers: Readonly<Record<string, string>>;
}

/** All PEM. */
export interface TlsMaterial {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** The name to expect in the server's certificate, where it is not the host of the URL. */
  readonly servername?: string | undefined;
  readonly rejectUnauthorized?: boolean | undefined;
}

/** The kubelet renews a token at 80 % of its life, at least 10 min before its end; client-go too reads it every minute. */
export const maxIdentityAgeMs = 60_000;

const serviceAccountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';

export interface PodEnvironment {
  readonly host: string;
  readonly port: string;
  /** Where the service account's token, ca.crt and namespace are mounted. */
  readonly folder: string;
}

/** What the kubelet gives a pod; undefined outside of one. */
export function podEnvironment(
  env: NodeJS.ProcessEnv = process.env,
  folder: string = serviceAccountFolder,
): PodEnvironment | undefined {
  const host = env['KUBERNETES_SERVICE_HOST'];
  const port = env['KUBERNETES_SERVICE_PORT'];
  if (host === undefined || port === undefined || !existsSync(`${folder}/token`)) return undefined;
  return { host, port, folder };
}

/**
 * A pod's own access. Read here rather than by client-node's KubeConfig, whose import costs 15 MB of resident memory even
 * when bundled, on every node, for two variables and three small files.
 */
export async function inCluster(pod: PodEnvironment, clock: Clock): Promise<ClusterAccess> {
  const { host, port, folder } = pod;
  const token = new FreshFile(`${folder}/token`, clock);
  const ca = new FreshFile(`${folder}/ca.crt`, clock);
  const namespace = await readFile(`${folder}/namespace`, 'utf8').catch(() => '');
  return {
    server: new URL(`https://${isIPv6(host) ? `[${host}]` : host}:${port}`),
    namespace: namespace.trim() || undefined,
    present: async () => ({
      tls: { ca: await ca.read() },
      headers: bearer(await token.read(), `${folder}/token`),
    }),
    forget: () => {
      token.forget();
      ca.forget();
    },
  };
}

/** The header for a token, which must be one: anything else would be an error of the HTTP library without a name. */
export function bearer(token: string, source: string): { authorization: string } {
  const trimmed = token.trim();
  if (!/^[\x21-\x7e]+$/.test(trimmed)) {
    throw new ClusterError(
      'cluster/no-access',
      `${source}: expected a bearer token in one line, found ${trimmed === '' ? 'nothing' : 'other characters'}`,
      { notApplied: true },
    );
  }
  return { authorization: `Bearer ${trimmed}` };
}

/** A file that others replace while we run. A read that fails leaves what was read before in force. */
class FreshFile {
  readonly #path: string;
  readonly #clock: Clock;
  #content: string | undefined;
  #readAtMs = -Infinity;

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
  }

  async read(): Promise<string> {
    const nowMs = this.#clock.monotonicMs();
    if (this.#content !== undefined && nowMs - this.#readAtMs < maxIdentityAgeMs) return this.#content;
    try {
      const content = await readFile(this.#path, 'utf8');
      // Half way through being written anew by somebody who does not rename.
      if (content.trim() === '') throw new Error('it is empty');
      this.#content = content;
      this.#readAtMs = nowMs;
    } catch (error) {
      if (this.#content === undefined) {
        throw new ClusterError('cluster/no-access', `cannot read ${this.#path}: ${messageOf(error)}`, {
          cause: error,
          notApplied: true,
        });
      }
    }
    return this.#content;
  }

  forget(): void {
    this.#readAtMs = -Infinity;
  }
}
