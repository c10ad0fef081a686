import { backoffMs } from '../../backoff.ts';
import type { Clock, Random } from '../../clock.ts';
import { isNodetenderError, messageOf, NodetenderError } from '../../errors.ts';
import type { exchange } from '../../web/exchange.ts';
import { destinationAt, nameOf } from './address.ts';
import type { Address } from './address.ts';
import { refusalIn, requestFor } from './payload.ts';
import type { Note } from './template.ts';

export interface Target {
  readonly address: Address;
  /** Body for a generic webhook. */
  readonly body: string | undefined;
}

export interface Message {
  readonly text: string;
  readonly note: Note;
}

export type Outcome = { readonly kind: 'sent' } | { readonly kind: 'dropped'; readonly error: NodetenderError };

export interface Surroundings {
  readonly clock: Clock;
  readonly random: Random;
  readonly environment: NodeJS.ProcessEnv;
  readonly exchange: typeof exchange;
  readonly signal: AbortSignal;
}

const DEADLINE_MS = 15_000;
/** The answers of these services are a word; more is an error page. */
const MAX_ANSWER_BYTES = 64 * 1024;
/** With the back-off three quarters of an hour: after that a message about a reboot misleads more than it tells. */
const MAX_ATTEMPTS = 18;
const BACKOFF = { firstMs: 1000, longestMs: 5 * 60_000 };

/** Brings one message to one target, trying again while that may help. Resolves, whatever happens. */
export async function deliver(target: Target, message: Message, around: Surroundings): Promise<Outcome> {
  for (let attempt = 1; ; attempt += 1) {
    const failure = await attemptOnce(target, message, around);
    if (failure === undefined) return { kind: 'sent' };
    if (!failure.mayPass || attempt >= MAX_ATTEMPTS || around.signal.aborted) {
      return { kind: 'dropped', error: failure.error };
    }
    const askedMs = Math.min(failure.retryAfterMs, BACKOFF.longestMs);
    await around.clock.sleep(Math.max(askedMs, backoffMs(BACKOFF, attempt, around.random)), around.signal);
  }
}

interface Failure {
  readonly error: NodetenderError;
  readonly mayPass: boolean;
  readonly retryAfterMs: number;
}

async function attemptOnce(target: Target, message: Message, around: Surroundings): Promise<Failure | undefined> {
  try {
    const destination = await destinationAt(target.address, around.environment);
    const request = requestFor(destination, message.text, message.note, target.body);
    const limits = { deadlineMs: DEADLINE_MS, maxBytes: MAX_ANSWER_BYTES, clock: around.clock, signal: around.signal };
    const { status, retryAfter, body } = await around.exchange(request, limits);
    const refusal = status >= 200 && status < 300 ? refusalIn(destination, body) : `HTTP status ${status}`;
    if (refusal === undefined) return undefined;
    const error = new NodetenderError('notify/refused', `${nameOf(target.address)} refused the message: ${refusal}`);
    // The others would be refused again, however often.
    const mayPass = status === 408 || status === 429 || status >= 500;
    return { error, mayPass, retryAfterMs: /^\d{1,6}$/.test(retryAfter ?? '') ? Number(retryAfter) * 1000 : 0 };
  } catch (error) {
    if (isNodetenderError(error)) return { error, mayPass: true, retryAfterMs: 0 };
    // Nothing outside has failed: a header that HTTP does not allow, say.
    const why = `the message could not be made: ${messageOf(error)}`;
    return { error: new NodetenderError('notify/refused', why, { cause: error }), mayPass: false, retryAfterMs: 0 };
  }
}
