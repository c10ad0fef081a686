import { abilityOf, inabilityFrom, namedInhibitors } from '../../../agent/host/ability.ts';
import type { HostPort, Inhibitor } from '../../../agent/host/port.ts';
import { type ErrorCode, isNodetenderError, NodetenderError } from '../../../agent/errors.ts';
import { withinDeadline } from '../../../agent/deadline.ts';
import type { EmulatedHost } from './host.ts';

const DEADLINE_MS = 10_000;

/** An emulated host behind the port, without a bus in between: for simulations and the demo. */
export function inMemoryHostPort(host: EmulatedHost): HostPort {
  const ask = async <T>(signal: AbortSignal | undefined, answer: () => T): Promise<T> => {
    const asked = async (): Promise<T> => {
      if (host.hangs) return await new Promise<never>(() => undefined);
      if (!host.hasLogind) throw fault('host/no-logind', 'this host has no logind');
      return answer();
    };
    return await withinDeadline({ clock: host.clock, ms: DEADLINE_MS, signal }, asked, (why) =>
      fault(`host/${why}`, 'the host has not answered'),
    );
  };
  return {
    boot: async () => host.boot,
    canReboot: async (signal) => {
      try {
        return await ask(signal, () => abilityOf(host.canReboot));
      } catch (error) {
        if (isNodetenderError(error, 'host/cancelled')) throw error;
        return inabilityFrom(error);
      }
    },
    inhibitors: (signal) => ask(signal, () => blocks(host)),
    preparingForShutdown: (signal) =>
      ask(signal, () => host.state === 'going-down' || host.scheduledShutdown === 'reboot'),
    reboot: (signal) =>
      ask(signal, () => {
        const inhibitors = blocks(host);
        if (inhibitors.length > 0) throw fault('host/inhibited', `forbidden for now by ${namedInhibitors(inhibitors)}`);
        const outcome = host.askReboot();
        if (outcome === 'denied' || outcome === 'failed')
          throw fault(`host/reboot-${outcome}`, 'as chosen by the test');
        if (outcome === 'unanswered' || outcome === 'lost')
          throw fault('host/reboot-unanswered', 'the answer was lost');
      }),
  };
}

function blocks(host: EmulatedHost): readonly Inhibitor[] {
  return host.inhibitors
    .filter(({ what, mode }) => what.split(':').includes('shutdown') && mode !== 'delay')
    .map(({ who, why, uid, pid }) => ({ who, why, uid, pid }));
}

function fault(code: ErrorCode, text: string): NodetenderError {
  return new NodetenderError(code, text);
}
