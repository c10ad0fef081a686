import { NodetenderError } from '../../errors.ts';
import { malformed } from './signature.ts';

/**
 * The first byte of a connection is NUL. EXTERNAL means: the socket itself tells who we are. Without naming a user, because
 * inside a user namespace ours is another one than outside (https://dbus.freedesktop.org/doc/dbus-specification.html#auth-mechanisms).
 */
export const OPENING = '\0AUTH EXTERNAL\r\n';

/** Far longer than any line of the exchange. */
const MAX_LINE_BYTES = 1024;
/** The exchange is two lines long. */
const MAX_LINES = 4;

export interface Step {
  readonly send: string;
  /** From here on messages are exchanged. */
  readonly done: boolean;
}

/** The client's side of SASL, after its opening. */
export class Authentication {
  #text = '';
  #lines = 0;

  /**
   * Takes what the bus has sent and says what to answer, if anything. Throws `host/bus-denied` when the bus lets nobody in,
   * `host/bad-response` when this is not a bus.
   */
  receive(bytes: Buffer): Step {
    this.#text += bytes.toString('latin1');
    let send = '';
    for (let end = this.#text.indexOf('\r\n'); end !== -1; end = this.#text.indexOf('\r\n')) {
      const line = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 2);
      this.#lines += 1;
      if (this.#lines > MAX_LINES) throw malformed('an authentication without an end');
      if (line.startsWith('OK ')) {
        if (this.#text !== '') throw malformed('messages before the authentication has ended');
        return { send: `${send}BEGIN\r\n`, done: true };
      }
      send += answerTo(line);
    }
    if (this.#text.length > MAX_LINE_BYTES) throw malformed('a line of authentication without an end');
    return { send, done: false };
  }
}

function answerTo(line: string): string {
  // It asks who we claim to be: nobody but the one that the socket shows.
  if (line === 'DATA' || line.startsWith('DATA ')) return 'DATA\r\n';
  if (line.startsWith('REJECTED') || line.startsWith('ERROR')) {
    throw new NodetenderError(
      'host/bus-denied',
      `the system bus does not let this process in (${JSON.stringify(line)}). The agent must run as root (uid 0).`,
    );
  }
  throw malformed(`the line ${JSON.stringify(line.slice(0, 80))} where an authentication goes on`);
}
