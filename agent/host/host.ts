import { isNodetenderError, messageOf, NodetenderError } from '../errors.ts';
import { abilityOf, inabilityFrom, namedInhibitors } from './ability.ts';
import { readBoot } from './boot.ts';
import { type BusOptions, withBus } from './bus.ts';
import type { BusConnection } from './dbus/connection.ts';
import { askCanReboot, askPreparingForShutdown, askReboot, askShutdownBlocks } from './logind.ts';
import { type RebootMethod, unanswered } from './methods.ts';
import type { HostPort, Inhibitor } from './port.ts';

/** The host as it is reached by default: everything is asked of systemd-logind. */
export function logindHost(bus: BusOptions): HostPort {
  return {
    boot: () => readBoot(),
    canReboot: async (signal) => {
      try {
        return abilityOf(await withBus(bus, signal, askCanReboot));
      } catch (error) {
        return inability(error);
      }
    },
    inhibitors: (signal) => withBus(bus, signal, askShutdownBlocks),
    preparingForShutdown: (signal) => withBus(bus, signal, askPreparingForShutdown),
    reboot: async (signal) => {
      let asked = false;
      const talk = async (connection: BusConnection): Promise<void> => {
        refuseWhileInhibited(await askShutdownBlocks(connection));
        asked = true;
        await askReboot(connection);
      };
      try {
        await withBus(bus, signal, talk);
      } catch (error) {
        throw asked ? afterAsking(error) : error;
      }
    },
  };
}

/**
 * The host where another method than logind was chosen. Where there is a logind all the same, who forbids a shutdown there is
 * obeyed; one that is there and does not answer forbids it too.
 */
export function hostByMethod(method: RebootMethod, bus: BusOptions): HostPort {
  const inhibitors = (signal?: AbortSignal) => whereLogindIs(() => withBus(bus, signal, askShutdownBlocks), []);
  return {
    boot: () => readBoot(),
    canReboot: async (signal) => {
      try {
        await method.check(signal);
        return { able: true };
      } catch (error) {
        return inability(error);
      }
    },
    inhibitors,
    preparingForShutdown: (signal) => whereLogindIs(() => withBus(bus, signal, askPreparingForShutdown), undefined),
    reboot: async (signal) => {
      await method.check(signal);
      refuseWhileInhibited(await inhibitors(signal));
      await method.reboot(signal);
    },
  };
}

async function whereLogindIs<T, Absent>(ask: () => Promise<T>, absent: Absent): Promise<T | Absent> {
  try {
    return await ask();
  } catch (error) {
    if (isNodetenderError(error, 'host/no-bus', 'host/no-logind')) return absent;
    throw error;
  }
}

function refuseWhileInhibited(inhibitors: readonly Inhibitor[]): void {
  if (inhibitors.length === 0) return;
  throw new NodetenderError(
    'host/inhibited',
    `a shutdown of the host is forbidden for now by ${namedInhibitors(inhibitors)}. Nothing was called; wait for it to end, or end it on the host (systemd-inhibit --list shows it).`,
  );
}

/** A refusal is one; anything else leaves open whether the call has arrived. */
function afterAsking(error: unknown): unknown {
  if (isNodetenderError(error, 'host/inhibited', 'host/no-logind')) return error;
  if (isNodetenderError(error, 'host/logind-denied')) {
    return new NodetenderError('host/reboot-denied', error.message, { cause: error });
  }
  if (isNodetenderError(error, 'host/logind-failed')) {
    return new NodetenderError('host/reboot-failed', error.message, { cause: error });
  }
  return unanswered(messageOf(error), error);
}

function inability(error: unknown) {
  if (isNodetenderError(error, 'host/cancelled')) throw error;
  return inabilityFrom(error);
}
