import { messageOf, NodetenderError } from '../errors.ts';
import { BusError, type BusConnection } from './dbus/connection.ts';
import { malformed, type Value } from './dbus/signature.ts';
import type { Inhibitor } from './port.ts';

/**
 * What we ask of systemd-logind, one method call each (https://www.freedesktop.org/software/systemd/man/latest/org.freedesktop.login1.html).
 * Every function throws `host/no-logind`, `host/logind-denied` or `host/logind-failed` when it answers with an error.
 */

/** As CanReboot says it: `yes`, `no`, `challenge`, `na`, and since systemd 257 `inhibited` and words that end in `inhibitor-blocked`. */
export async function askCanReboot(bus: BusConnection): Promise<string> {
  const [answer] = await callManager(bus, 'CanReboot');
  if (typeof answer !== 'string') throw malformed('an answer to CanReboot that is not a text');
  return answer;
}

/** Who forbids a shutdown until they are done. Those of mode `delay` only ask for some seconds, and are left out. */
export async function askShutdownBlocks(bus: BusConnection): Promise<readonly Inhibitor[]> {
  const [list] = await callManager(bus, 'ListInhibitors');
  if (!Array.isArray(list)) throw malformed('an answer to ListInhibitors that is not a list');
  return (list as readonly Value[]).flatMap((entry) => {
    const { what, mode, ...inhibitor } = parseInhibitor(entry);
    return what.split(':').includes('shutdown') && isBlock(mode) ? [inhibitor] : [];
  });
}

/**
 * Whether logind is carrying out a shutdown, which includes the time that inhibitors of mode `delay` get, or will at a time that
 * somebody has set: a command that schedules one, as `shutdown -r +15`, has ended long before.
 */
export async function askPreparingForShutdown(bus: BusConnection): Promise<boolean> {
  const isPreparing = await getProperty(bus, 'PreparingForShutdown');
  if (typeof isPreparing !== 'boolean') throw malformed('a property PreparingForShutdown that is not a boolean');
  if (isPreparing) return true;
  const scheduled = await getProperty(bus, 'ScheduledShutdown');
  const [kind] = Array.isArray(scheduled) ? (scheduled as readonly Value[]) : [];
  if (typeof kind !== 'string') throw malformed('a property ScheduledShutdown that does not begin with a text');
  return endsBoot.has(kind);
}

/** Of a schedule; there are trials, too, such as `dry-reboot`, and nothing is the empty text. */
const endsBoot = new Set(['reboot', 'poweroff', 'halt', 'kexec']);

async function getProperty(bus: BusConnection, name: string): Promise<Value | undefined> {
  const [answer] = await callLogind(bus, {
    interface: 'org.freedesktop.DBus.Properties',
    member: 'Get',
    signature: 'ss',
    body: [MANAGER, name],
  });
  return typeof answer === 'object' && 'value' in answer ? answer.value : undefined;
}

/** Not interactive: there is nobody in front of a node who could type a password. */
export async function askReboot(bus: BusConnection): Promise<void> {
  await callManager(bus, 'Reboot', 'b', [false]);
}

const MANAGER = 'org.freedesktop.login1.Manager';
const MAX_TEXT_LENGTH = 200;

/**
 * `block-weak` is what `block` was before systemd 257: a lock that logind does not hold against root. We do, because whoever
 * took it did not want to be cut off (https://github.com/systemd/systemd/pull/30307).
 */
function isBlock(mode: string): boolean {
  return mode === 'block' || mode === 'block-weak';
}

function parseInhibitor(entry: Value): Inhibitor & { what: string; mode: string } {
  const [what, who, why, mode, uid, pid] = Array.isArray(entry) ? (entry as readonly Value[]) : [];
  const texts =
    typeof what === 'string' && typeof who === 'string' && typeof why === 'string' && typeof mode === 'string';
  if (!texts || typeof uid !== 'number' || typeof pid !== 'number') {
    throw malformed('an inhibitor that is not of type (ssssuu)');
  }
  return { what, who: who.slice(0, MAX_TEXT_LENGTH), why: why.slice(0, MAX_TEXT_LENGTH), mode, uid, pid };
}

async function callManager(
  bus: BusConnection,
  member: string,
  signature = '',
  body: readonly Value[] = [],
): Promise<readonly Value[]> {
  return await callLogind(bus, { interface: MANAGER, member, signature, body });
}

async function callLogind(
  bus: BusConnection,
  call: { interface: string; member: string; signature: string; body: readonly Value[] },
): Promise<readonly Value[]> {
  try {
    return await bus.call({ destination: 'org.freedesktop.login1', path: '/org/freedesktop/login1', ...call });
  } catch (error) {
    throw error instanceof BusError ? logindError(error, call.member) : error;
  }
}

const ABSENT = new Set([
  'org.freedesktop.DBus.Error.ServiceUnknown',
  'org.freedesktop.DBus.Error.NameHasNoOwner',
  'org.freedesktop.DBus.Error.Spawn.ServiceNotFound',
]);
const DENIED = new Set([
  'org.freedesktop.DBus.Error.AccessDenied',
  'org.freedesktop.DBus.Error.AuthFailed',
  'org.freedesktop.DBus.Error.InteractiveAuthorizationRequired',
]);

/** What the bus says in the place of a service that took a call and went away. */
const UNANSWERED = new Set([
  'org.freedesktop.DBus.Error.NoReply',
  'org.freedesktop.DBus.Error.Disconnected',
  'org.freedesktop.DBus.Error.Timeout',
  'org.freedesktop.DBus.Error.TimedOut',
]);

/** What an error of the bus means; `member` is what was asked. */
export function logindError(error: BusError, member: string): NodetenderError {
  const said = `${error.errorName}: ${messageOf(error).slice(0, MAX_TEXT_LENGTH)}`;
  if (ABSENT.has(error.errorName)) {
    return new NodetenderError(
      'host/no-logind',
      `the system bus knows no systemd-logind (${said}). Start it, or choose another reboot method for hosts without it.`,
      { cause: error },
    );
  }
  if (error.errorName === 'org.freedesktop.login1.BlockedByInhibitorLock') {
    return new NodetenderError('host/inhibited', `a program on the host forbids the shutdown for now (${said})`, {
      cause: error,
    });
  }
  if (UNANSWERED.has(error.errorName)) {
    return new NodetenderError('host/bus-unreachable', `systemd-logind has not answered ${member} (${said})`, {
      cause: error,
    });
  }
  if (DENIED.has(error.errorName)) {
    return new NodetenderError(
      'host/logind-denied',
      `${member} of systemd-logind was denied (${said}). The agent must run as root (uid 0); on hosts with AppArmor or SELinux its container must be allowed to talk to org.freedesktop.login1 on the system bus (AppArmor: an unconfined profile, or one with a dbus rule).`,
      { cause: error },
    );
  }
  return new NodetenderError('host/logind-failed', `${member} of systemd-logind failed (${said})`, { cause: error });
}
