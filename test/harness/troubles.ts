import { setTimeout as delay } from 'node:timers/promises';

import type { PassingRequest } from './faultproxy.ts';
import type { Protocol } from './scriptedserver.ts';
import type { StrickenNode } from './strickennode.ts';

/** Something that goes wrong between one agent and its API server. */
export interface Trouble {
  /** Of its node, too. */
  readonly name: string;
  readonly protocol: Protocol;
  /** From its beginning to its end. */
  readonly befall: (stricken: StrickenNode) => Promise<void>;
}

type Befall = Trouble['befall'];

/** What a throttled agent is told. */
export const retryAfterSeconds = 3;

const isRead = ({ method }: PassingRequest): boolean => method === 'GET';

const cutAgainAndAgain: Befall = async ({ proxy }) => {
  for (let times = 0; times < 12; times += 1) {
    proxy.relay.cut();
    await delay(400);
  }
};

const loseAnswers: Befall = async ({ proxy }) => {
  proxy.add({ loseAnswer: true, times: 12 });
  await delay(6_000);
};

const throttle: Befall = async ({ proxy }) => {
  proxy.add({ refuse: { status: 429, reason: 'TooManyRequests', retryAfterSeconds } });
  proxy.relay.cut();
  await delay(8_000);
};

const fail: Befall = async ({ proxy }) => {
  proxy.add({ refuse: { status: 500, reason: 'InternalError' } });
  proxy.relay.cut();
  await delay(7_000);
};

/** In watches, in what is asked to open them, and in lists. */
const expire: Befall = async ({ proxy }) => {
  proxy.add({ matches: isRead, refuse: { status: 410, reason: 'Expired' }, times: 20 });
  proxy.expireWatches();
  await delay(3_000);
};

const slowDown: Befall = async ({ proxy }) => {
  proxy.add({ delayMs: 4_000 });
  proxy.relay.cut();
  await delay(10_000);
};

const halfClose: Befall = async ({ proxy }) => {
  proxy.relay.halfClose();
  await delay(2_000);
  proxy.relay.halfClose();
};

/** An agent finds it within a minute; new connections work. */
const freeze: Befall = async ({ proxy }) => {
  proxy.relay.freeze();
  await Promise.resolve();
};

const refuseToken: Befall = async (stricken) => {
  const { proxy, mount } = stricken;
  const expired = mount.token;
  proxy.add({ matches: ({ token }) => token === expired, refuse: { status: 401, reason: 'Unauthorized' } });
  proxy.relay.cut();
  await delay(4_000);
  await stricken.rotateToken();
};

const rotateAuthority: Befall = async (stricken) => {
  stricken.proxy.rotateAuthority();
  stricken.proxy.relay.cut();
  await delay(4_000);
  await stricken.rotateAuthority();
};

function overBoth(name: string, befall: Befall): Trouble[] {
  return [
    { name, protocol: 'h2', befall },
    { name: `${name}-http1`, protocol: 'http/1.1', befall },
  ];
}

export const troubles: readonly Trouble[] = [
  ...overBoth('cut', cutAgainAndAgain),
  ...overBoth('lost-answers', loseAnswers),
  ...overBoth('throttled', throttle),
  { name: 'failing', protocol: 'h2', befall: fail },
  { name: 'expired', protocol: 'h2', befall: expire },
  { name: 'slow', protocol: 'h2', befall: slowDown },
  ...overBoth('half-closed', halfClose),
  // Over HTTP/1.1 ten minutes of silence show it: too long to wait for here.
  { name: 'frozen', protocol: 'h2', befall: freeze },
  ...overBoth('unauthorized', refuseToken),
  ...overBoth('new-authority', rotateAuthority),
];
