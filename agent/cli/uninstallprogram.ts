import type { Command } from 'commander';
import type { Host } from './host.ts';
import { addClusterOptions } from './options.ts';
import type { UninstallOptions } from './uninstall.ts';

/** The command that takes everything of ours out of a cluster. */
export function addUninstall(program: Command, host: Host, done: (status: number) => void): void {
  const command = program
    .command('uninstall')
    .description(
      'Take out of a cluster what agents and these commands leave there: labels, annotations, taints, conditions, Leases, cordons of ours.',
    )
    .option('--dry-run', 'only say what would be removed')
    .option('--force', 'also while agents are there, or nodes in the middle of a reboot');
  addClusterOptions(command)
    .addHelpText(
      'after',
      `
To be run after the chart was uninstalled: agents that are still there would write all of it again. A node is uncordoned where its
agent had cordoned it, and no other is. It changes nothing on the hosts.

Examples:
  helm uninstall nodetender -n nodetender --wait && nodetender uninstall
  nodetender uninstall --dry-run`,
    )
    .action(async (options: UninstallOptions) => {
      const { uninstallCommand } = await import('./uninstall.ts');
      done(await uninstallCommand(options, host));
    });
}
