import { Argument, Command, CommanderError, Option } from 'commander';
import { build } from '../build.ts';
import { isNodetenderError } from '../errors.ts';
import { reportFailure } from './failure.ts';
import { exitStatus, type Host } from './host.ts';
import type { CleanOptions } from './clean.ts';
import type { CleanNodesOptions } from './cleannodes.ts';
import type { TargetOptions } from './cleantarget.ts';
import { addClusterCommands } from './clusterprogram.ts';
import type { ImagesOptions } from './images.ts';
import { addRebootCommands } from './rebootprogram.ts';
import { addUninstall } from './uninstallprogram.ts';
import {
  addAgentOptions,
  addClusterOptions,
  addNodeOptions,
  addSelectionOptions,
  type AgentCommandOptions,
  collect,
  durationArgument,
} from './options.ts';

/**
 * Runs one command line and gives its exit status. Never rejects. What a command needs is imported when it is chosen, so
 * that help comes at once.
 */
export async function runCommandLine(args: readonly string[], host: Host): Promise<number> {
  let status: number = exitStatus.done;
  const program = createProgram(host, (command) => {
    status = command;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) return statusOfCommander(error);
    // Whoever interrupts knows why the call was cancelled.
    if (host.stop.aborted && isNodetenderError(error, 'runtime/cancelled')) return exitStatus.interrupted;
    const verbose = program.opts()['verbose'] === true || (host.env['NODETENDER_DEBUG'] ?? '') !== '';
    return reportFailure(host.terminal, error, verbose);
  }
}

/** Commander has written its message already; help that somebody asked for ends with 0. */
function statusOfCommander({ exitCode }: CommanderError): number {
  return exitCode === 0 ? exitStatus.done : exitStatus.usage;
}

function createProgram(host: Host, done: (status: number) => void): Command {
  const { terminal } = host;
  const program = new Command('nodetender')
    .description(
      'Removes container images that nobody needs, from this node or from the nodes of a cluster, and reboots nodes.',
    )
    .version(`nodetender ${build.version} (${build.commit})`, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .option('--verbose', 'with an error, print what caused it')
    .exitOverride()
    .configureOutput({ writeOut: (text) => terminal.out(text), writeErr: (text) => terminal.err(text) })
    .showHelpAfterError('(nodetender --help says more)');
  addImages(program, host, done);
  addClean(program, host, done);
  addClusterCommands(program, host, done);
  addRebootCommands(program, host, done);
  addUninstall(program, host, done);
  addAgent(program, host, done);
  addConfig(program, host, done);
  return program;
}

function addImages(program: Command, host: Host, done: (status: number) => void): void {
  addNodeOptions(program.command('images'))
    .description('List the images of this node, and say for each whether it stays or goes, and why.')
    .addOption(new Option('-o, --output <format>', 'how').choices(['table', 'wide', 'json', 'name']).default('table'))
    .addHelpText(
      'after',
      `
Examples:
  nodetender images
  nodetender images --config /etc/nodetender/config.yaml --output wide
  nodetender images -o json | jq '.images[] | select(.verdict == "remove") | .tags'`,
    )
    .action(async (options: ImagesOptions) => {
      const { imagesCommand } = await import('./images.ts');
      done(await imagesCommand(options, host));
    });
}

function addClean(program: Command, host: Host, done: (status: number) => void): void {
  const command = addNodeOptions(program.command('clean'))
    .description(
      'Remove images that nothing uses: those the patterns name, or all. In use, pinned, system and kept images stay.',
    )
    .addArgument(
      new Argument('[pattern...]', 'images to remove: name, tag, digest, ID, glob (repo:*) or range (repo@>=1.2 <2)'),
    )
    .option('--dry-run', 'only say what would be removed')
    .option('--now', 'do not wait for 2 minutes since an image was first seen')
    .option('--min-unused <duration>', 'only images unused for at least this long, such as 7d', durationArgument)
    .option('-k, --keep <rule>', 'keep images that match, beside the configured rules; may be repeated', collect, [])
    .addOption(
      new Option('--pace <pace>', 'gentle: pods that start meanwhile do not feel it; fast: soonest done').choices([
        'gentle',
        'fast',
      ]),
    )
    .addOption(new Option('-o, --output <format>', 'how').choices(['text', 'json']).default('text'))
    .optionsGroup('On nodes of a cluster, whose agents then clean by their own configuration:')
    .option('--node <name>', 'the node of this name; may be repeated', collect);
  addSelectionOptions(command)
    .option('--wait', 'follow it until it is done')
    .option('--timeout <duration>', 'wait no longer than this (default: 30m)', durationArgument);
  addClusterOptions(command)
    .addHelpText(
      'after',
      `
Exit status: 0 done, 1 something failed, 2 wrong usage, 130 interrupted.
Ctrl-C lets the removals under way finish, then reports what was done. With --wait it only ends the waiting.

Examples:
  nodetender clean --dry-run
  nodetender clean --min-unused 7d --keep 'registry.example.com/base/*'
  nodetender clean 'docker.io/library/alpine:*' 'registry.example.com/app@<2.0'
  nodetender clean --node web-1 --node web-2 --wait
  nodetender clean -l pool=web --dry-run --wait`,
    )
    .action(async (patterns: readonly string[], options: CleanOptions & CleanNodesOptions & TargetOptions) => {
      const { cleanTarget } = await import('./cleantarget.ts');
      const target = cleanTarget(patterns, options, (option) => command.getOptionValueSource(option) === 'cli');
      if (target === undefined) {
        const { cleanCommand } = await import('./clean.ts');
        done(await cleanCommand(patterns, options, host));
      } else {
        const { cleanNodesCommand } = await import('./cleannodes.ts');
        done(await cleanNodesCommand(target, options, host));
      }
    });
}

function addAgent(program: Command, host: Host, done: (status: number) => void): void {
  addAgentOptions(program.command('agent'))
    .description(
      'Keep watch on this node, clean by schedule, reboot where that is turned on. The log is JSON on standard output.',
    )
    .addHelpText(
      'after',
      `
Signals: SIGTERM and SIGINT end it once removals under way have finished, SIGUSR1 starts a run now, SIGHUP looks at the
configuration (which is watched anyway).

Example:
  nodetender agent --config /etc/nodetender/config.yaml`,
    )
    .action(async (options: AgentCommandOptions) => {
      const { agentCommand } = await import('./agent.ts');
      done(await agentCommand(options, host));
    });
}

function addConfig(program: Command, host: Host, done: (status: number) => void): void {
  const config = program.command('config').description("Check the agent's configuration, or print its schema.");
  config
    .command('check')
    .description('Say whether a configuration is valid, and if not, name each offending field.')
    .argument('<file>')
    .action(async (file: string) => {
      const { configCheckCommand } = await import('./config.ts');
      done(await configCheckCommand(file, host));
    });
  config
    .command('schema')
    .description('Print the JSON Schema of the configuration.')
    .action(async () => {
      const { configSchemaCommand } = await import('./config.ts');
      done(await configSchemaCommand(host));
    });
}
