import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../config/quantities.ts';
import { kindOfFile } from '../runtime/sockets.ts';

/** Options that reach a container runtime and the agent's knowledge of this node. */
export interface NodeOptions {
  readonly runtimeEndpoint?: string;
  readonly config?: string;
  readonly stateDir?: string;
}

const usualConfigPath = '/etc/nodetender/config.yaml';

/**
 * The configuration to go by; undefined: the defaults. A file in the usual place counts without being named, because a
 * person's `clean` must not remove what the agent of the same node keeps.
 */
export async function configurationPath({ config }: NodeOptions, usual = usualConfigPath): Promise<string | undefined> {
  if (config !== undefined) return config;
  // Anything that is there counts, readable or not: rules that cannot be read are no reason to go without.
  return (await kindOfFile(usual)) === 'nothing' ? undefined : usual;
}

export function addNodeOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '-r, --runtime-endpoint <socket>',
        'CRI socket, as unix:///run/containerd/containerd.sock; default: the first of the usual places',
      ).env('CONTAINER_RUNTIME_ENDPOINT'),
    )
    .addOption(
      new Option(
        '-c, --config <file>',
        `the agent's configuration, whose rules hold here too; default: ${usualConfigPath} where there is one`,
      ).env('NODETENDER_CONFIG'),
    )
    .option('--state-dir <directory>', "where the agent keeps what it knows of this node's images");
}

/** What only the agent needs to know of its surroundings. */
export interface AgentCommandOptions extends NodeOptions {
  readonly nodeName?: string;
  readonly kubeconfig?: string;
}

export function addAgentOptions(command: Command): Command {
  return addNodeOptions(command)
    .addOption(new Option('--node-name <name>', 'the Node that this is, in a cluster').env('NODE_NAME'))
    .option('--kubeconfig <file>', 'follow the cluster that it describes; default: the one whose pod this is, if any');
}

/** Options that reach a cluster, as kubectl has them. */
export interface ClusterOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace?: string;
}

export function addClusterOptions(command: Command): Command {
  return command
    .option('--kubeconfig <file>', 'default: the files that KUBECONFIG names, then ~/.kube/config')
    .option('--context <name>', "default: the kubeconfig's current context")
    .option('-n, --namespace <name>', "the agents' namespace; default: looked for in all");
}

/** Which nodes, beside those that are named. */
export interface SelectionOptions {
  readonly selector?: string;
  readonly all?: boolean;
}

export function addSelectionOptions(command: Command): Command {
  return command
    .option('-l, --selector <labels>', 'nodes with these labels, such as pool=web or pool!=web')
    .option('--all', 'every node');
}

/** `7d`, `1h30m` as milliseconds. */
export function durationArgument(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError('Expected a duration such as 30s, 12h or 7d.');
  return ms;
}

/** For an option that may be given several times. */
export function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

/** What is written into an annotation for others to read. */
export function reasonArgument(text: string): string {
  const reason = text.trim();
  if (reason === '' || reason.length > 256) throw new InvalidArgumentError('Expected a reason of 1 to 256 characters.');
  return reason;
}
