import type { Message } from '../../../agent/host/dbus/message.ts';
import type { Value } from '../../../agent/host/dbus/signature.ts';
import type { EmulatedHost } from './host.ts';

/** What an object on the bus answers to a call. */
export type Answer =
  | { readonly signature: string; readonly body: readonly Value[] }
  | { readonly errorName: string; readonly text: string }
  | 'silence'
  /** The service ends before it has answered. */
  | 'gone';

/** The part of systemd-logind that we call, over an emulated host. */
export function answerAsLogin1(host: EmulatedHost, call: Message): Answer {
  if (host.hangs) return 'silence';
  switch (`${call.interface}.${call.member}(${call.signature})`) {
    case 'org.freedesktop.login1.Manager.CanReboot()':
      return { signature: 's', body: [host.canReboot] };
    case 'org.freedesktop.login1.Manager.ListInhibitors()': {
      const list = host.inhibitors.map(({ what, who, why, mode, uid, pid }) => [what, who, why, mode, uid, pid]);
      return { signature: 'a(ssssuu)', body: [list] };
    }
    case 'org.freedesktop.DBus.Properties.Get(ss)':
      return answerProperty(host, call.body[1]);
    case 'org.freedesktop.login1.Manager.Reboot(b)':
      return call.body[0] === true ? refused('interactive') : answerReboot(host);
    default:
      return { errorName: 'org.freedesktop.DBus.Error.UnknownMethod', text: `no method ${call.member}` };
  }
}

function answerProperty(host: EmulatedHost, name: Value | undefined): Answer {
  if (name === 'PreparingForShutdown')
    return { signature: 'v', body: [{ signature: 'b', value: host.state === 'going-down' }] };
  if (name === 'ScheduledShutdown')
    return { signature: 'v', body: [{ signature: '(st)', value: [host.scheduledShutdown, 0n] }] };
  return { errorName: 'org.freedesktop.DBus.Error.UnknownProperty', text: 'no such property' };
}

function answerReboot(host: EmulatedHost): Answer {
  switch (host.askReboot()) {
    case 'denied':
      return refused('permission denied');
    case 'failed':
      return { errorName: 'org.freedesktop.DBus.Error.Failed', text: 'no reboot.target' };
    case 'unanswered':
    case 'lost':
      return 'gone';
    case 'reboots':
    case 'ignored':
    case 'stuck':
    case 'never-returns':
      return { signature: '', body: [] };
  }
}

function refused(text: string): Answer {
  return { errorName: 'org.freedesktop.DBus.Error.AccessDenied', text };
}
