import type { Clock } from '../clock.ts';
import { withinDeadline } from '../deadline.ts';
import { NodetenderError } from '../errors.ts';
import { BusConnection } from './dbus/connection.ts';

/** Where the system bus listens, and how long one conversation with it may take. */
export interface BusOptions {
  readonly socketPath: string;
  readonly clock: Clock;
  /** Logind answers within milliseconds; one that is just starting, or a polkit that thinks, takes seconds. */
  readonly deadlineMs?: number;
}

/** The well-known place, and where a pod sees it when the host's /run/dbus is mounted there. */
const SYSTEM_BUS_SOCKET = '/run/dbus/system_bus_socket';

const DEFAULT_DEADLINE_MS = 10_000;

/**
 * One conversation with the system bus, from connecting to closing. Nothing is kept in between: an idle agent holds no
 * socket, and a bus that was started anew is met like any other.
 */
export async function withBus<T>(
  { socketPath, clock, deadlineMs = DEFAULT_DEADLINE_MS }: BusOptions,
  signal: AbortSignal | undefined,
  talk: (bus: BusConnection) => Promise<T>,
): Promise<T> {
  const conversation = async (over: AbortSignal): Promise<T> => {
    const bus = await BusConnection.open(socketPath, over);
    try {
      return await talk(bus);
    } finally {
      bus.close();
    }
  };
  return await withinDeadline({ clock, ms: deadlineMs, signal }, conversation, (why) =>
    why === 'cancelled'
      ? new NodetenderError('host/cancelled', 'the question to the host was cancelled')
      : new NodetenderError(
          'host/deadline',
          `the system bus at ${socketPath} has not answered within ${deadlineMs / 1000} s. Check dbus and systemd-logind on the host.`,
        ),
  );
}

/**
 * The socket that DBUS_SYSTEM_BUS_ADDRESS names, for hosts that have it elsewhere, or the well-known one. Of the transports of
 * D-Bus only `unix:path=` is one that a host's logind is reached by; an address without one counts as none.
 */
export function systemBusSocket(address: string | undefined): string {
  for (const alternative of address?.split(';') ?? []) {
    const path = /^unix:(?:.*,)?path=([^,]+)/.exec(alternative)?.[1];
    if (path !== undefined) return unescaped(path);
  }
  return SYSTEM_BUS_SOCKET;
}

function unescaped(value: string): string {
  return value.replaceAll(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
