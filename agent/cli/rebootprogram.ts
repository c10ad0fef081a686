import { type Command, Option } from 'commander';
import { NodetenderError } from '../errors.ts';
import type { Host } from './host.ts';
import type { LockListOptions, LockReleaseOptions } from './lock.ts';
import {
  addClusterOptions,
  addSelectionOptions,
  durationArgument,
  reasonArgument,
  type SelectionOptions,
} from './options.ts';
import type { RebootNodesOptions } from './rebootnodes.ts';
import type { StatusOptions } from './status.ts';

/** The commands about reboots of a cluster's nodes. */
export function addRebootCommands(program: Command, host: Host, done: (status: number) => void): void {
  addStatus(program, host, done);
  addReboot(program, host, done);
  addLock(program, host, done);
}

function outputOption(): Option {
  return new Option('-o, --output <format>', 'how').choices(['table', 'wide', 'json', 'yaml', 'name']).default('table');
}

function addStatus(program: Command, host: Host, done: (status: number) => void): void {
  const command = program
    .command('status')
    .description('Show the roll of each pool: who reboots, who is next, what is in the way of whom, who failed.')
    .argument('[node...]', 'names of nodes; default: all')
    .addOption(outputOption())
    .option('-w, --watch', 'go on: draw it anew, or where there is no terminal print a line for each change')
    .addOption(
      new Option('-c, --config <file>', "the agents' configuration, which says what pools there are").env(
        'NODETENDER_CONFIG',
      ),
    );
  addClusterOptions(addSelectionOptions(command))
    .addHelpText(
      'after',
      `
HELD is how many slots of the pool are taken, of how many there are; BLOCKED are nodes that want a reboot and miss more than a
slot; SLOT is the Lease that a node holds, or its place in the queue.

Examples:
  nodetender status
  nodetender status --watch
  nodetender status -o json | jq -r '.nodes[] | select(.failures > 0) | "\\(.name): \\(.reason.text)"'`,
    )
    .action(async (names: readonly string[], options: StatusOptions) => {
      const { statusCommand } = await import('./status.ts');
      done(await statusCommand(names, options, host));
    });
}

function addReboot(program: Command, host: Host, done: (status: number) => void): void {
  const command = program
    .command('reboot')
    .description(
      'Ask the agents of nodes for one reboot each: one after the other, drained, and proven by the boot ID.',
    )
    .argument('[node...]', 'names of nodes')
    .option(
      '--now',
      'outside the windows too, and however short the last reboot is ago; gates, holds and slots still count',
    )
    .option('--reason <text>', 'why, for whoever finds it', reasonArgument)
    .option('--wait', 'follow it until it is done')
    .option('--timeout <duration>', 'wait no longer than this (default: 1h)', durationArgument)
    .addOption(new Option('-o, --output <format>', 'how').choices(['text', 'json']).default('text'));
  addClusterOptions(addSelectionOptions(command))
    .addHelpText(
      'after',
      `
Agents reboot their node only where their configuration has reboot.enabled: true. A request that waits is withdrawn with
  kubectl annotate node NAME nodetender.dev/reboot-
and a reboot that has not happened is then undone. Exit status: 0 done, 1 something failed, 2 wrong usage, 130 interrupted,
which ends the waiting and nothing else.

Examples:
  nodetender reboot web-1 --wait
  nodetender reboot -l pool=web --reason 'CVE-2026-1234' --wait --timeout 6h
  nodetender reboot web-1 --now`,
    )
    .action(async (names: readonly string[], options: RebootNodesOptions & SelectionOptions) => {
      const [{ rebootNodesCommand }, { selectionOf }] = await Promise.all([
        import('./rebootnodes.ts'),
        import('./selection.ts'),
      ]);
      const selection = selectionOf(names, options);
      if (selection === undefined) {
        throw new NodetenderError('usage', 'reboot what? Name nodes, or give --selector or --all');
      }
      done(await rebootNodesCommand(selection, options, host));
    });
}

function addLock(program: Command, host: Host, done: (status: number) => void): void {
  const lock = program
    .command('lock')
    .description('The slots that nodes take turns by, each a Lease: list them, release one.');
  addClusterOptions(
    lock
      .command('list')
      .description('List the slots: who holds them since when, and who is named to be next.')
      .addOption(outputOption()),
  )
    .addHelpText('after', '\nExamples:\n  nodetender lock list\n  nodetender lock list -o wide')
    .action(async (options: LockListOptions) => {
      const { lockListCommand } = await import('./lock.ts');
      done(await lockListCommand(options, host));
    });
  addClusterOptions(
    lock
      .command('release')
      .description('Take slots from their holders: for nodes that never came back.')
      .argument('<holder...>', 'names of nodes that hold one, or of Leases')
      .option('--yes', 'do not ask'),
  )
    .addHelpText(
      'after',
      `
A held slot never runs out, so that a node that does not come back stops the roll. Once it is released, the next node may go
down at once, also where its holder is down, or about to be. What is better where it fits: delete the Node that is not coming back
(its slot goes with it), or hold it (it backs out and gives the slot back, unless it has already gone down).

Examples:
  nodetender lock release web-3
  nodetender lock release lease/nodetender-default-0 --yes`,
    )
    .action(async (names: readonly string[], options: LockReleaseOptions) => {
      const { lockReleaseCommand } = await import('./lock.ts');
      done(await lockReleaseCommand(names, options, host));
    });
}
