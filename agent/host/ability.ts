import { isNodetenderError, messageOf } from '../errors.ts';
import type { Inhibitor, RebootAbility } from './port.ts';

/** What an answer of logind's CanReboot means, and what to do about it. */
export function abilityOf(answer: string): RebootAbility {
  switch (answer) {
    case 'yes':
    // Allowed, were it not for an inhibitor, which is asked about by itself and goes away by itself.
    case 'inhibited':
    case 'inhibitor-blocked':
      return { able: true };
    case 'no':
      return denied(
        'does not let this process reboot the host (CanReboot says no). Run the agent as root (uid 0) and look for a polkit rule about org.freedesktop.login1.reboot on the host',
      );
    case 'challenge':
    case 'challenge-inhibitor-blocked':
      return denied(
        'would ask a person for a password (CanReboot says challenge). Run the agent as root (uid 0), or add a polkit rule that allows org.freedesktop.login1.reboot and org.freedesktop.login1.reboot-multiple-sessions',
      );
    case 'na':
      return denied(
        'says that this host cannot reboot itself (CanReboot says na), as in a container. Choose reboot.method signal or command, or leave this node out',
      );
    default:
      return denied(
        `gave an answer to CanReboot that is not known (${JSON.stringify(answer.slice(0, 40))}). Report it, and choose reboot.method signal or command meanwhile`,
      );
  }
}

/** What stood in the way of an answer stands in the way of the reboot. */
export function inabilityFrom(error: unknown): RebootAbility {
  const code = isNodetenderError(error) ? error.code : 'host/reboot-failed';
  return { able: false, code, text: messageOf(error) };
}

/** Those who forbid a shutdown in words, a few at the most. */
export function namedInhibitors(inhibitors: readonly Inhibitor[]): string {
  const named = inhibitors
    .slice(0, MAX_NAMED)
    .map(({ who, why, uid, pid }) => `${who} (${why}; pid ${pid}, uid ${uid})`);
  const more = inhibitors.length - named.length;
  return `${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

const MAX_NAMED = 3;

function denied(what: string): RebootAbility {
  return { able: false, code: 'host/reboot-denied', text: `systemd-logind ${what}.` };
}
