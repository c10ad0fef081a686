import { type Command, Option } from 'commander';
import { NodetenderError } from '../errors.ts';
import type { HoldOptions } from './hold.ts';
import type { Host } from './host.ts';
import type { NodesOptions } from './nodes.ts';
import { addClusterOptions, addSelectionOptions, reasonArgument, type SelectionOptions } from './options.ts';
import type { PauseOptions } from './pause.ts';

/** The commands that work on a cluster, with a kubeconfig. */
export function addClusterCommands(program: Command, host: Host, done: (status: number) => void): void {
  addNodes(program, host, done);
  addHold(program, host, done);
  addPause(program, host, done);
  addResume(program, host, done);
}

function addNodes(program: Command, host: Host, done: (status: number) => void): void {
  const command = program
    .command('nodes')
    .description(
      'List the nodes of a cluster: what their agents do, what the last cleaning removed, who wants a reboot.',
    )
    .argument('[node...]', 'names of nodes; default: all')
    .addOption(
      new Option('-o, --output <format>', 'how').choices(['table', 'wide', 'json', 'yaml', 'name']).default('table'),
    )
    .option('-w, --watch', 'go on, with another line whenever a node changes');
  addClusterOptions(addSelectionOptions(command))
    .addHelpText(
      'after',
      `
Examples:
  nodetender nodes
  nodetender nodes -l pool=web -o wide
  nodetender nodes -o json | jq -r '.nodes[] | select(.lastClean.failed > 0) | .name'`,
    )
    .action(async (names: readonly string[], options: NodesOptions) => {
      const { nodesCommand } = await import('./nodes.ts');
      done(await nodesCommand(names, options, host));
    });
}

function addHold(program: Command, host: Host, done: (status: number) => void): void {
  const command = program
    .command('hold')
    .description(
      'Have the agents of nodes leave them alone: no cleaning and no reboot; what has begun stops or is undone.',
    )
    .argument('[node...]', 'names of nodes')
    .option('--reason <text>', 'why, for whoever finds it', reasonArgument)
    .option('--overwrite', 'replace the reason of a hold that is there');
  addClusterOptions(addSelectionOptions(command))
    .addHelpText('after', "\nExample:\n  nodetender hold web-1 web-2 --reason 'disk being copied, ask Ada'")
    .action(async (names: readonly string[], options: HoldOptions & SelectionOptions) => {
      const [{ holdCommand }, { selectionOf }] = await Promise.all([import('./hold.ts'), import('./selection.ts')]);
      const selection = selectionOf(names, options);
      if (selection === undefined) {
        throw new NodetenderError(
          'usage',
          'hold what? Name nodes, or give --selector or --all; pause stops every agent',
        );
      }
      done(await holdCommand(selection, options, host));
    });
}

function addPause(program: Command, host: Host, done: (status: number) => void): void {
  const command = program
    .command('pause')
    .description('Stop all agents: no cleaning and no reboot starts on any node, new ones included.')
    .option('--reason <text>', 'why, for whoever finds it', reasonArgument)
    .option('--overwrite', 'replace the reason of a pause that is there');
  addClusterOptions(command)
    .addHelpText('after', "\nExample:\n  nodetender pause --reason 'incident 4711'")
    .action(async (options: PauseOptions) => {
      const { pauseCommand } = await import('./pause.ts');
      done(await pauseCommand(options, host));
    });
}

function addResume(program: Command, host: Host, done: (status: number) => void): void {
  const command = program
    .command('resume')
    .description('End the hold of nodes; without nodes, end the pause of all.')
    .argument('[node...]', 'names of nodes');
  addClusterOptions(addSelectionOptions(command))
    .addHelpText('after', '\nExamples:\n  nodetender resume web-1\n  nodetender resume')
    .action(async (names: readonly string[], options: HoldOptions & SelectionOptions) => {
      const { selectionOf } = await import('./selection.ts');
      const selection = selectionOf(names, options);
      if (selection === undefined) {
        const { endPauseCommand } = await import('./pause.ts');
        done(await endPauseCommand(options, host));
        return;
      }
      const { endHoldCommand } = await import('./hold.ts');
      done(await endHoldCommand(selection, options, host));
    });
}
