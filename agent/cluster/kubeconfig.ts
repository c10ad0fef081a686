import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import type { RequestOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { parse } from 'yaml';

import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import { bearer, type ClusterAccess, type Identity, maxIdentityAgeMs } from './access.ts';
import { ClusterError } from './errors.ts';

export interface KubeconfigChoice {
  /** A file; default: KUBECONFIG's files, then ~/.kube/config. */
  readonly path?: string | undefined;
  /** Default: the file's current context. */
  readonly context?: string | undefined;
}

/** The access that a kubeconfig describes, as client-node reads it, exec plugins included. Throws `cluster/no-access`. */
export async function fromKubeconfig(choice: KubeconfigChoice, clock: Clock): Promise<ClusterAccess> {
  const paths = kubeconfigPaths(choice);
  let config = await load(paths, choice);
  const { server, namespace } = config;
  let shown: { readonly identity: Identity; readonly atMs: number } | undefined;
  let stale = false;
  return {
    server,
    namespace,
    present: async () => {
      const nowMs = clock.monotonicMs();
      if (stale) {
        // A fresh KubeConfig has no memory of a token that an exec plugin gave.
        config = await load(paths, choice);
        shown = undefined;
        stale = false;
      }
      if (shown === undefined || nowMs - shown.atMs >= maxIdentityAgeMs) {
        shown = { identity: await identityOf(config, paths), atMs: nowMs };
      }
      return shown.identity;
    },
    forget: () => {
      stale = true;
    },
  };
}

function kubeconfigPaths({ path }: KubeconfigChoice): string[] {
  if (path !== undefined) return [path];
  const named = (process.env['KUBECONFIG'] ?? '').split(delimiter).filter((name) => name !== '');
  const candidates = named.length > 0 ? named : [join(homedir(), '.kube', 'config')];
  // As kubectl does: of several files those that are missing are passed over.
  const existing = candidates.filter((name) => existsSync(name));
  if (existing.length === 0) throw noAccess(`no kubeconfig at ${candidates.join(', ')}. Name one with --kubeconfig`);
  return existing;
}

interface Loaded {
  readonly kubeConfig: KubeConfig;
  readonly server: URL;
  readonly namespace: string | undefined;
  readonly tokenFile: string | undefined;
}

async function load(paths: readonly string[], { context }: KubeconfigChoice): Promise<Loaded> {
  // This file and not the package's index: half the memory. It is imported when needed, which in a pod is never.
  const { KubeConfig } = await import('@kubernetes/client-node/dist/config.js');
  const kubeConfig = new KubeConfig();
  const tokenFiles = new Map<string, string>();
  for (const path of paths) {
    try {
      const text = await readFile(path, 'utf8');
      const one = new KubeConfig();
      one.loadFromString(text);
      one.makePathsAbsolute(dirname(path));
      merge(kubeConfig, one);
      for (const [user, file] of tokenFilesIn(text, path)) if (!tokenFiles.has(user)) tokenFiles.set(user, file);
    } catch (error) {
      throw noAccess(`kubeconfig ${path}: ${messageOf(error)}`, error);
    }
  }
  if (context !== undefined) kubeConfig.setCurrentContext(context);
  const source = `kubeconfig ${paths.join(', ')}`;
  const name = kubeConfig.getCurrentContext();
  const contexts = kubeConfig.getContexts().map((each) => each.name);
  if (!contexts.includes(name)) {
    throw noAccess(
      `${source}: no context "${name}". Expected one of ${contexts.join(', ') || 'none: the file has no contexts'}`,
    );
  }
  const cluster = kubeConfig.getCurrentCluster();
  if (cluster === null || !URL.canParse(cluster.server)) {
    throw noAccess(`${source}: context "${name}" names no cluster with a server such as https://host:6443`);
  }
  if (cluster.proxyUrl !== undefined) {
    throw noAccess(`${source}: cluster "${cluster.name}" has a proxy-url, which is not supported`);
  }
  const namespace = kubeConfig.getContextObject(name)?.namespace;
  const tokenFile = tokenFiles.get(kubeConfig.getCurrentUser()?.name ?? '');
  return { kubeConfig, server: new URL(cluster.server), namespace, tokenFile };
}

/** The first file that names something wins, as in kubectl; KubeConfig's own merging refuses a name that comes twice. */
function merge(into: KubeConfig, from: KubeConfig): void {
  const known = <T extends { readonly name: string }>(list: readonly T[], one: T): boolean =>
    list.some(({ name }) => name === one.name);
  for (const cluster of from.getClusters()) if (!known(into.getClusters(), cluster)) into.addCluster(cluster);
  for (const user of from.getUsers()) if (!known(into.getUsers(), user)) into.addUser(user);
  for (const context of from.getContexts()) if (!known(into.getContexts(), context)) into.addContext(context);
  // Unset before the first file, whatever its type says.
  if (!into.getCurrentContext()) into.setCurrentContext(from.getCurrentContext());
}

async function identityOf({ kubeConfig, tokenFile }: Loaded, paths: readonly string[]): Promise<Identity> {
  const options: RequestOptions = {};
  try {
    await kubeConfig.applyToHTTPSOptions(options);
  } catch (error) {
    throw noAccess(`kubeconfig ${paths.join(', ')}: ${messageOf(error).trim()}`, error);
  }
  const { ca, cert, key, servername, rejectUnauthorized, auth } = options;
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    if (name.toLowerCase() !== 'authorization') headers[name.toLowerCase()] = String(value);
    else Object.assign(headers, bearer(String(value).replace(/^Bearer /, ''), `kubeconfig ${paths.join(', ')}`));
  }
  if (tokenFile !== undefined) Object.assign(headers, bearer(await readToken(tokenFile), tokenFile));
  if (typeof auth === 'string') headers['authorization'] = `Basic ${Buffer.from(auth).toString('base64')}`;
  return { tls: { ca: pem(ca), cert: pem(cert), key: pem(key), servername, rejectUnauthorized }, headers };
}

/** KubeConfig does not know `tokenFile`, which kubectl prefers to `token` (https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/). */
function tokenFilesIn(text: string, path: string): [user: string, file: string][] {
  const { users } = parse(text) as { users?: { name?: unknown; user?: { tokenFile?: unknown } }[] };
  return (users ?? []).flatMap(({ name, user }): [string, string][] => {
    const file = user?.tokenFile;
    return typeof name === 'string' && typeof file === 'string' ? [[name, resolve(dirname(path), file)]] : [];
  });
}

async function readToken(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw noAccess(`cannot read ${path}: ${messageOf(error)}`, error);
  }
}

/** KubeConfig gives PEM as a Buffer from files and data, as a string from exec plugins. */
function pem(value: unknown): string | undefined {
  return typeof value === 'string' || Buffer.isBuffer(value) ? value.toString() : undefined;
}

function noAccess(message: string, cause?: unknown): ClusterError {
  return new ClusterError('cluster/no-access', message, { cause, notApplied: true });
}
