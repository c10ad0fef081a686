import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NodetenderError } from '../../../agent/errors.ts';
import { Notifier } from '../../../agent/observe/notify.ts';
import type { Address } from '../../../agent/observe/notify/address.ts';
import { Secret } from '../../../agent/secret.ts';
import type { WebAnswer, WebRequest } from '../../../agent/web/exchange.ts';
import { QuickClock } from '../cluster/quickclock.ts';

const messages = { drain: 'Draining {{node}}', reboot: 'Rebooting {{node}}', uncordon: '', problem: '{{reason}}' };
const note = { node: 'node-1', pool: 'workers', reason: 'it hangs' };
/** Longer than any pause between two attempts. */
const LONG_MS = 3_600_000;

let clock: QuickClock;
let stop: AbortController;
let requests: WebRequest[];
/** For the next requests, one each; then `answer`. */
let answers: (() => Promise<WebAnswer>)[];
let answer: () => Promise<WebAnswer>;
let outcomes: string[];
/** What the configuration has by now; undefined: what it began with. */
let to: Address[] | undefined;
let directory: string;
beforeEach(async () => {
  clock = new QuickClock(LONG_MS - 1);
  stop = new AbortController();
  requests = [];
  answers = [];
  answer = status(200);
  outcomes = [];
  to = undefined;
  directory = await mkdtemp(join(tmpdir(), 'nodetender-notify-'));
});
afterEach(async () => {
  stop.abort();
  await rm(directory, { recursive: true });
});

function status(status: number, retryAfter?: string) {
  return async (): Promise<WebAnswer> => ({ status, retryAfter, body: '' });
}

async function hangUp(): Promise<WebAnswer> {
  throw new NodetenderError('web/unreachable', 'chat.example.com cannot be reached: socket hang up');
}

function never(): Promise<WebAnswer> {
  return Promise.withResolvers<WebAnswer>().promise;
}

function notifier(...addresses: Address[]): Notifier {
  return new Notifier({
    config: () => ({ to: (to ?? addresses).map((address) => ({ address, body: undefined })), messages }),
    environment: { NOTIFY_URL: 'generic://chat.example.com/env' },
    clock,
    random: () => 0.5,
    signal: stop.signal,
    exchange: async (request) => {
      requests.push(request);
      return await (answers.shift() ?? answer)();
    },
    onOutcome: (_target, { text }, outcome) => {
      outcomes.push('error' in outcome ? `${text}: ${outcome.error.message}` : `${text}: ${outcome.kind}`);
    },
  });
}

const at = (path: string): Address => new Secret(`generic://chat.example.com${path}`);
const pathsOf = (): string[] => requests.map(({ url, body }) => `${url.pathname} ${body}`);

describe('a message', () => {
  it('goes to every target, in order, and an empty one to none', async () => {
    const messenger = notifier(at('/a'), { env: 'NOTIFY_URL' });
    for (const event of ['drain', 'uncordon', 'reboot'] as const) messenger.tell({ ...note, event });
    await messenger.settle(LONG_MS);
    expect(pathsOf().toSorted()).toEqual([
      '/a Draining node-1',
      '/a Rebooting node-1',
      '/env Draining node-1',
      '/env Rebooting node-1',
    ]);
    expect(outcomes).toHaveLength(4);
  });

  it('is tried again until the target takes it, and as late as that asks for', async () => {
    answers = [status(503), status(429, '120'), hangUp];
    const messenger = notifier(at('/'));
    messenger.tell({ ...note, event: 'drain' });
    await messenger.settle(LONG_MS);
    expect(requests).toHaveLength(4);
    expect(clock.pauses).toEqual([1000, 120_000, 4000]);
    expect(outcomes).toEqual(['Draining node-1: sent']);
  });

  it('is given up after three quarters of an hour, and the next one sent', async () => {
    answer = status(500);
    const messenger = notifier(at('/'));
    messenger.tell({ ...note, event: 'drain' });
    await messenger.settle(LONG_MS);
    expect(requests).toHaveLength(18);
    expect(clock.nowMs() - new QuickClock().nowMs()).toBeGreaterThan(2_900_000);
    expect(outcomes).toEqual(['Draining node-1: webhook (url) refused the message: HTTP status 500']);
    answer = status(204);
    messenger.tell({ ...note, event: 'reboot' });
    await messenger.settle(LONG_MS);
    expect(outcomes.at(-1)).toBe('Rebooting node-1: sent');
  });

  it('that is refused is not tried again, and the secret not told', async () => {
    answer = status(404);
    const messenger = notifier(at('/s3cret'));
    messenger.tell({ ...note, event: 'drain' });
    await messenger.settle(LONG_MS);
    expect(requests).toHaveLength(1);
    expect(outcomes).toEqual(['Draining node-1: webhook (url) refused the message: HTTP status 404']);
  });

  it('goes where its file says at that moment', async () => {
    const file = join(directory, 'url');
    const messenger = notifier({ file });
    for (const path of ['/first', '/second']) {
      await writeFile(file, `generic://chat.example.com${path}\n`);
      messenger.tell({ ...note, event: 'drain' });
      await messenger.settle(LONG_MS);
    }
    expect(pathsOf()).toEqual(['/first Draining node-1', '/second Draining node-1']);
  });

  it('that has nowhere to go is dropped with the place, without the secret', async () => {
    const file = join(directory, 'url');
    await writeFile(file, 'telegram://s3cret@telegram');
    const messenger = notifier({ file }, { env: 'NOT_SET' }, { file: join(directory, 'none') });
    messenger.tell({ ...note, event: 'drain' });
    await messenger.settle(LONG_MS);
    expect(outcomes).toHaveLength(3);
    expect(outcomes).toContain('Draining node-1: the URL for messages in $NOT_SET: it is not set');
    expect(outcomes.join('\n')).toMatch(/in \S+\/url: expected a URL that begins with slack:.*; found telegram:/);
    expect(outcomes.join('\n')).not.toContain('s3cret');
  });
});

describe('a target that is away', () => {
  it('holds up nobody: the others get theirs, and the oldest of too many give way', async () => {
    answer = never;
    const messenger = notifier(at('/'));
    for (let index = 0; index < 60; index += 1) messenger.tell({ ...note, event: 'problem', reason: `${index}` });
    // The first is under way, fifty wait.
    expect(outcomes).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9'].map((text) => `${text}: overflow`));
    await new Promise(setImmediate);
    answer = status(200);
    const other = notifier(at('/other'));
    other.tell({ ...note, event: 'reboot' });
    await other.settle(LONG_MS);
    expect(outcomes).toContain('Rebooting node-1: sent');
  });

  it('is waited for no longer than said', async () => {
    answer = never;
    const messenger = notifier(at('/'));
    messenger.tell({ ...note, event: 'reboot' });
    await messenger.settle(5000);
    expect(clock.pauses).toEqual([5000]);
    expect(outcomes).toEqual([]);
  });

  it('is left as soon as the agent ends', async () => {
    answer = never;
    const messenger = notifier(at('/'));
    messenger.tell({ ...note, event: 'reboot' });
    stop.abort();
    await messenger.settle(LONG_MS);
    expect(outcomes).toEqual([]);
  });
});

describe('targets that change while the agent runs', () => {
  it('get what is told from then on, and one that is still there goes on with what waits for it', async () => {
    answers = [never];
    const messenger = notifier(at('/old'));
    messenger.tell({ ...note, event: 'drain' });
    messenger.tell({ ...note, event: 'reboot' });
    to = [at('/old'), at('/new')];
    messenger.tell({ ...note, event: 'problem' });
    await new Promise(setImmediate);
    expect(pathsOf()).toEqual(['/old Draining node-1', '/new it hangs']);
    expect(outcomes).toEqual(['it hangs: sent']);
  });

  it('get nothing any more once they are gone, and what waits for them is reported', async () => {
    answers = [hangUp];
    const messenger = notifier(at('/old'));
    messenger.tell({ ...note, event: 'drain' });
    messenger.tell({ ...note, event: 'reboot' });
    to = [];
    messenger.tell({ ...note, event: 'problem' });
    await messenger.settle(LONG_MS);
    await new Promise(setImmediate);
    expect(pathsOf()).toEqual(['/old Draining node-1']);
    expect(outcomes).toEqual([
      'Rebooting node-1: removed',
      'Draining node-1: chat.example.com cannot be reached: socket hang up',
    ]);
  });
});

it('a secret shows itself nowhere', () => {
  const secret = new Secret('s3cret');
  expect([String(secret), JSON.stringify({ secret }), Object.keys(secret).length]).toEqual([
    '[secret]',
    '{"secret":"[secret]"}',
    0,
  ]);
  expect(secret.reveal()).toBe('s3cret');
});
