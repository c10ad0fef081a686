import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { parseAllDocuments } from 'yaml';

import type { Json } from './api.ts';
import type { Clients } from './clients.ts';
import { helmComponents } from './components.ts';

const execute = promisify(execFile);
/** An upgrade that waits for pods takes longer than anything else that helm does here. */
const DEADLINE_MS = 300_000;

/** The chart's folder, as helm takes it. */
export const chart = fileURLToPath(new URL('../../charts/nodetender', import.meta.url));

/** The generations that a chart is installed with. */
export const helmVersions = [3, 4] as const;
export type HelmVersion = (typeof helmVersions)[number];

export interface HelmOptions {
  readonly version?: HelmVersion;
  /** The cluster that it talks to, as its administrator. Without one only what asks nobody can be done: template, lint. */
  readonly clients?: Clients;
  /** Where it keeps what it fetches from a registry. */
  readonly home?: string;
}

/** What `helm …` writes to standard output. Rejects where it fails, with what it said. */
export async function helm(args: readonly string[], options: HelmOptions = {}): Promise<string> {
  const { version = 4, clients, home = clients?.folder ?? '/nonexistent' } = options;
  const { stdout } = await execute(helmComponents(version), args, {
    env: {
      PATH: '/usr/bin:/bin',
      // Nothing of the person's own: plugins, repositories, a cluster.
      HOME: home,
      KUBECONFIG: clients === undefined ? '/nonexistent' : await clients.kubeconfigFile('helm'),
    },
    maxBuffer: 64 * 1024 * 1024,
    timeout: DEADLINE_MS,
  });
  return stdout;
}

/** Values as arguments for helm. JSON is YAML, so that what a test gives arrives as it is. */
export function valuesArgument(values: Json): readonly string[] {
  return Object.entries(values).map(([key, value]) => `--set-json=${key}=${JSON.stringify(value)}`);
}

/** The objects that the chart makes of these values, of a release and namespace both named nodetender. */
export async function renderChart(
  values: Json = {},
  options: { readonly version?: HelmVersion; readonly args?: readonly string[] } = {},
): Promise<readonly Json[]> {
  const { version = 4, args = [] } = options;
  const text = await helm(
    ['template', 'nodetender', chart, '--namespace=nodetender', ...valuesArgument(values), ...args],
    { version },
  );
  return objectsIn(text);
}

/** The objects of what helm has rendered. */
export function objectsIn(text: string): readonly Json[] {
  return parseAllDocuments(text).flatMap((document) => {
    const [problem] = document.errors;
    if (problem !== undefined) throw problem;
    const object = document.toJS() as Json | null;
    return object === null ? [] : [object];
  });
}

/** The only object of this kind, or of this kind and name. */
export function objectOf(objects: readonly Json[], kind: string, name?: string): Json {
  const found = objects.filter(
    (object) => object['kind'] === kind && (name === undefined || (object['metadata'] as Json)['name'] === name),
  );
  const [first] = found;
  if (first === undefined || found.length > 1)
    throw new Error(`expected one ${kind} ${name ?? ''}, found ${found.length}`);
  return first;
}
