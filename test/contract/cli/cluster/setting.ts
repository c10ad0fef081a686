import { vi } from 'vitest';
import { encodeLastClean, encodeStatus, type LastClean, type NodeStatus } from '../../../../agent/cluster/records.ts';
import { takenBody } from '../../../../agent/reboot/lock/slot.ts';
import { recordPatch } from '../../../../agent/reboot/record.ts';
import { initialState, type State } from '../../../../agent/reboot/state.ts';
import type { Clients } from '../../../harness/clients.ts';
import { eventually, RunningCommand } from '../command.ts';
import { CommandHere, type CommandHereOptions } from '../commandhere.ts';
import type { Outcome } from '../said.ts';

/** An API server that commands are tried on. */
export interface ClusterUnderTest {
  readonly clients: Clients;
  /** The command as a program and its first arguments; the bundle where left out. */
  readonly program?: readonly string[];
  /** What somebody may do who may get, list and watch nodes and nothing else. */
  limit(user: string): Promise<void>;
  /** Goes away with all its connections, and comes back with all its objects. */
  restart(): Promise<void>;
  dispose(): Promise<void>;
}

type Annotations = Readonly<Record<string, string | undefined>>;

export const idle: NodeStatus = {
  version: '1.2.3',
  state: 'idle',
  images: 120,
  imageBytes: 1024 ** 3,
  diskUsedPercent: 61,
  nextRunAt: null,
  waiting: null,
};

export const cleaned: LastClean = {
  request: null,
  trigger: 'annotation',
  dryRun: false,
  startedAt: new Date().toISOString(),
  durationSeconds: 4,
  outcome: 'done',
  error: null,
  removed: 12,
  failed: 0,
  skipped: 0,
  kept: {},
  estimatedFreedBytes: 3 * 1024 ** 3,
  measuredFreedBytes: 2 * 1024 ** 3,
  images: [],
};

/** Three Nodes, on which agents are played by the tests' own hands, and a person who types commands. */
export class CommandsSetting {
  #cluster: ClusterUnderTest | undefined;
  #kubeconfig = '';
  #commands: (CommandHere | RunningCommand)[] = [];

  async open(cluster: ClusterUnderTest): Promise<void> {
    this.#cluster = cluster;
    this.#kubeconfig = await cluster.clients.kubeconfigFile('person');
    vi.stubEnv('KUBECONFIG', this.#kubeconfig);
  }

  get cluster(): ClusterUnderTest {
    if (this.#cluster === undefined) throw new Error('the cluster was not started');
    return this.#cluster;
  }

  get kubeconfig(): string {
    return this.#kubeconfig;
  }

  async createNodes(): Promise<void> {
    await this.createNode('web-1', { pool: 'web' });
    await this.createNode('web-2', { pool: 'web' });
    await this.createNode('db-1', { pool: 'db' });
    for (const node of ['web-1', 'web-2', 'db-1']) await this.report(node);
  }

  /** Ends what was begun, and takes away what was made. */
  async clear(): Promise<void> {
    for (const command of this.#commands) await command.dispose();
    this.#commands = [];
    const { api } = this.cluster.clients;
    for (const node of ['web-1', 'web-2', 'db-1', 'virtual']) await api.delete(`/api/v1/nodes/${node}`);
    await api.delete(`${this.leases}/nodetender-default-0`);
    for (const namespace of ['kube-system', 'default']) {
      await api.delete(`/api/v1/namespaces/${namespace}/configmaps/nodetender-control`);
    }
  }

  readonly leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases';

  /** A command in the test's own process. */
  readonly begin = (args: readonly string[], options: CommandHereOptions = {}): CommandHere => {
    return this.#track(new CommandHere(args, options));
  };

  readonly run = async (...args: string[]): Promise<Outcome> => {
    return await this.begin(args).outcome();
  };

  /** The same as a process of its own. */
  readonly spawn = (args: readonly string[], env: Record<string, string> = {}): RunningCommand => {
    const options = this.cluster.program === undefined ? {} : { program: this.cluster.program };
    return this.#track(new RunningCommand(args, { env: { KUBECONFIG: this.kubeconfig, ...env }, ...options }));
  };

  #track<Command extends CommandHere | RunningCommand>(command: Command): Command {
    this.#commands.push(command);
    return command;
  }

  readonly createNode = async (node: string, labels: Record<string, string> = {}): Promise<void> => {
    await this.cluster.clients.api.create('/api/v1/nodes', {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: node, labels },
    });
  };

  /** As a person or an agent does. */
  readonly annotate = async (node: string, values: Readonly<Record<string, string | null>>): Promise<void> => {
    const annotations = Object.fromEntries(
      Object.entries(values).map(([key, value]) => [`nodetender.dev/${key}`, value]),
    );
    await this.cluster.clients.api.merge(`/api/v1/nodes/${node}`, { metadata: { annotations } });
  };

  readonly report = async (node: string, status: Partial<NodeStatus> = {}): Promise<void> => {
    await this.annotate(node, { status: encodeStatus({ ...idle, ...status }) });
  };

  readonly annotationsOf = async (path: string): Promise<Annotations> => {
    const { metadata } = (await this.cluster.clients.api.get(path)) as { metadata: { annotations?: Annotations } };
    return metadata.annotations ?? {};
  };

  readonly requestOn = async (node: string): Promise<string | undefined> => {
    return (await this.annotationsOf(`/api/v1/nodes/${node}`))['nodetender.dev/clean'];
  };

  readonly holdOf = async (node: string): Promise<string | undefined> => {
    return (await this.annotationsOf(`/api/v1/nodes/${node}`))['nodetender.dev/hold'];
  };

  readonly pauseIn = async (namespace: string): Promise<string | undefined> => {
    const annotations = await this.annotationsOf(`/api/v1/namespaces/${namespace}/configmaps/nodetender-control`);
    return annotations['nodetender.dev/pause'];
  };

  /** Plays the agent: records how far the node's reboot is. */
  readonly record = async (node: string, change: Partial<State>): Promise<void> => {
    const { metadata } = (await this.cluster.clients.api.get(`/api/v1/nodes/${node}`)) as { metadata: { uid: string } };
    const { labels, annotations } = recordPatch({ ...initialState(metadata.uid, Date.now()), ...change });
    await this.cluster.clients.api.merge(`/api/v1/nodes/${node}`, { metadata: { labels, annotations } });
  };

  /** Plays the agent: the node has the only slot of the default pool. */
  readonly takeSlot = async (node: string): Promise<void> => {
    const { metadata } = (await this.cluster.clients.api.get(`/api/v1/nodes/${node}`)) as { metadata: { uid: string } };
    const body = takenBody(undefined, 'default', { name: node, uid: metadata.uid }, Date.now());
    await this.cluster.clients.api.create(this.leases, {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      ...body,
      metadata: { name: 'nodetender-default-0', ...body.metadata },
    });
  };

  /** As the chart makes it, which lets it stay. */
  readonly createControl = async (namespace: string): Promise<void> => {
    await this.cluster.clients.api.create(`/api/v1/namespaces/${namespace}/configmaps`, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'nodetender-control', labels: { 'app.kubernetes.io/managed-by': 'Helm' } },
    });
  };

  /** Plays the agent: takes up the request that is there, and is done with it. */
  readonly clean = async (node: string, result: Partial<LastClean> = {}): Promise<string> => {
    let request = '';
    await eventually(async () => {
      request = (await this.requestOn(node)) ?? '';
      return request !== '';
    }, `a request on ${node}`);
    await this.annotate(node, { 'clean-handled': request });
    await this.annotate(node, { 'last-clean': encodeLastClean({ ...cleaned, request, ...result }) });
    return request;
  };
}
