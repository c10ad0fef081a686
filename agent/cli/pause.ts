import { controlScope, pauseOf } from '../cluster/control.ts';
import { controlConfigMap, pauseAnnotation } from '../cluster/names.ts';
import { configMaps } from '../cluster/objects.ts';
import type { KubernetesObject } from '../cluster/port.ts';
import { Watched } from '../cluster/watch.ts';
import { isNodetenderError, messageOf, NodetenderError } from '../errors.ts';
import { type Cluster, isHopeless, withCluster } from './cluster.ts';
import { exitStatus, type Host } from './host.ts';
import { byHand } from './hold.ts';
import type { ClusterOptions } from './options.ts';
import { printable } from './table.ts';

export interface PauseOptions extends ClusterOptions {
  readonly reason?: string;
  readonly overwrite?: boolean;
}

/** The ConfigMap that all agents watch. */
export interface Control {
  readonly namespace: string;
  /** False where the namespace is given and has none yet. */
  readonly exists: boolean;
  /** Why all agents pause; undefined where they do not. */
  readonly reason: string | undefined;
}

const object = `configmap/${controlConfigMap}`;

/** `nodetender pause`: no cleaning and no reboot starts anywhere from now on. */
export async function pauseCommand(options: PauseOptions, { terminal, stop }: Host): Promise<number> {
  return await withCluster(options, async (cluster) => {
    const { namespace, exists, reason } = await findControl(cluster, stop);
    if (reason !== undefined && options.overwrite !== true) {
      terminal.out(`${object} already paused${reason === '' ? '' : `: ${printable(reason)}`}\n`);
      return exitStatus.done;
    }
    const metadata = { annotations: { [pauseAnnotation]: options.reason ?? byHand(cluster.clock) } };
    const { port } = cluster;
    const call = { signal: stop };
    if (exists) {
      const patch = { type: 'merge', body: { metadata } } as const;
      await port.patch(configMaps, { namespace, name: controlConfigMap }, patch, call);
    } else await port.create(configMaps, namespace, { metadata: { name: controlConfigMap, ...metadata } }, call);
    terminal.out(`${object} paused\n`);
    if (!exists) terminal.err(madeNote(namespace));
    // Whether agents are there, the ConfigMap does not tell: it may be left from somebody who mistyped before.
    terminal.err(
      `agents of namespace ${namespace} start no cleaning and no reboot on any node until: nodetender resume --namespace ${namespace}\n`,
    );
    return exitStatus.done;
  });
}

/** Who is in a hurry mistypes, and nothing else would tell: a pause where no agent looks is no error to the API server. */
function madeNote(namespace: string): string {
  return `note: there was none in ${namespace}, and one is made; only agents of that namespace see it (nodetender nodes shows their STATE as paused)\n`;
}

/** `nodetender resume` without nodes: ends the pause. Nodes on hold stay on hold. */
export async function endPauseCommand(options: ClusterOptions, { terminal, stop }: Host): Promise<number> {
  return await withCluster(options, async (cluster) => {
    const { namespace, exists, reason } = await findControl(cluster, stop);
    if (!exists || reason === undefined) {
      terminal.out(`${object} was not paused\n`);
      return exitStatus.done;
    }
    const body = { metadata: { annotations: { [pauseAnnotation]: null } } };
    const target = { namespace, name: controlConfigMap };
    await cluster.port.patch(configMaps, target, { type: 'merge', body }, { signal: stop });
    terminal.out(`${object} resumed\n`);
    return exitStatus.done;
  });
}

/** For remarks beside other work: undefined where it cannot be found or one may not look. */
export async function findPause(cluster: Cluster, signal: AbortSignal): Promise<Control | undefined> {
  try {
    return await findControl(cluster, signal);
  } catch (error) {
    if (isNodetenderError(error, 'usage', 'cluster/forbidden', 'cluster/not-found')) return undefined;
    throw error;
  }
}

/** The same, kept current: for what is shown until it is interrupted. */
export class FollowedPause {
  readonly #namespace: string | undefined;
  readonly #refused = new AbortController();
  readonly #watched: Watched<KubernetesObject, Control>;

  constructor(cluster: Cluster, onChange: () => void) {
    this.#namespace = cluster.namespace;
    this.#watched = new Watched({
      port: cluster.port,
      clock: cluster.clock,
      random: cluster.random,
      resource: configMaps,
      scope: controlScope(cluster.namespace),
      project: controlOf,
      onChange,
      onHealth: (problem) => {
        if (problem !== undefined && isHopeless(problem)) this.#refused.abort();
      },
    });
  }

  /** Until `signal` aborts, or it turns out that one may not look. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#watched.run(AbortSignal.any([signal, this.#refused.signal]));
  }

  /** Undefined as with `findPause`. */
  get current(): Control | undefined {
    const [control, other] = this.#watched.values();
    return other === undefined || this.#namespace !== undefined ? control : undefined;
  }
}

/** For those remarks; empty where nothing is paused. It does not say everywhere: agents of another namespace see another one. */
export function pauseRemark(what: string, control: Control | undefined): string {
  if (control?.reason === undefined) return '';
  const why = control.reason === '' ? '' : `: ${printable(control.reason)}`;
  return `${what} paused by ${object} in ${control.namespace}${why}\n`;
}

/**
 * Where nobody says the namespace, the ConfigMap is looked for in all of them: a pause written into a kubeconfig's
 * `default` while the agents watch another namespace would stop nothing and look as if it did.
 */
async function findControl(cluster: Cluster, signal: AbortSignal): Promise<Control> {
  const { namespace } = cluster;
  const items = await listControls(cluster, signal);
  const [control, other] = items;
  if (control !== undefined && other === undefined) return control;
  if (control !== undefined) {
    const places = items.map((one) => one.namespace).join(', ');
    throw new NodetenderError('usage', `${object} is in several namespaces: ${places}. Choose one with --namespace`);
  }
  if (namespace !== undefined) return { namespace, exists: false, reason: undefined };
  throw new NodetenderError(
    'usage',
    `no namespace has a ${object}. Name the agents' namespace with --namespace, and it is made there`,
  );
}

async function listControls(cluster: Cluster, signal: AbortSignal): Promise<readonly Control[]> {
  const { port, namespace } = cluster;
  try {
    return (await port.list(configMaps, controlScope(namespace), controlOf, { signal })).items;
  } catch (error) {
    if (namespace !== undefined || !isNodetenderError(error, 'cluster/forbidden')) throw error;
    throw new NodetenderError(
      'usage',
      `cannot look for ${object} in all namespaces; name the agents' with --namespace (${messageOf(error)})`,
      { cause: error },
    );
  }
}

function controlOf(object: KubernetesObject): Control {
  return { namespace: object.metadata.namespace ?? '', exists: true, reason: pauseOf(object) };
}
