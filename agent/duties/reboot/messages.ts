import type { Clock, Random } from '../../clock.ts';
import type { Config } from '../../config/load.ts';
import type { Logger } from '../../observe/log.ts';
import type { Metrics } from '../../observe/metrics.ts';
import { Notifier, type NotifierOptions } from '../../observe/notify.ts';
import { nameOf } from '../../observe/notify/address.ts';
import type { RebootDutyOptions } from './reboot.ts';

export interface MessagesOptions {
  readonly config: () => Config['reboot'];
  readonly env: NodeJS.ProcessEnv;
  readonly exchange: NotifierOptions['exchange'];
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

const lostBecause = {
  overflow: 'too many messages wait',
  removed: 'the configuration has this target no more',
};

/** Messages of reboots to people, as configured at the moment at which something is told. */
export function openMessages(options: MessagesOptions): Pick<RebootDutyOptions, 'notify' | 'notesSent'> {
  const { config, env, metrics, log } = options;
  const notifier = new Notifier({
    ...options,
    config: () => config().notify,
    environment: env,
    onOutcome: ({ address }, { note }, outcome) => {
      metrics.reboots.notified(outcome.kind);
      if (outcome.kind === 'sent') return;
      const why = outcome.kind === 'dropped' ? outcome.error.message : lostBecause[outcome.kind];
      log.warn({ to: nameOf(address), event: note.event, why }, 'a message is lost');
    },
  });
  return {
    notify: (note) => notifier.tell(note),
    notesSent: async (ms) => await notifier.settle(ms),
  };
}
