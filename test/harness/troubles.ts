import { setTimeout as delay } from 'node:timers/promises';

import type { Protocol } from './scriptedserver.ts';
import type { StrickenNode } from './strickennode.ts';

/** Something that goes wrong between one agent and its API server. */
export interface Trouble {
  readonly name: string;
  readonly protocol?: Protocol;
  /** From its beginning to its end. */
  readonly befall: (stricken: StrickenNode) => Promise<void>;
}

const writes = ({ method }: { readonly method: string }): boolean => method !== 'GET';

export const troubles: readonly Trouble[] = [
  { name: 'cut', befall: cutAgainAndAgain },
  { name: 'cut-http1', protocol: 'http/1.1', befall: cutAgainAndAgain },
  {
    name: 'lost-answers',
    befall: async ({ proxy }) => {
      proxy.add({ matches: writes, loseAnswer: true, times: 4 });
      await delay(6_000);
    },
  },
  {
    name: 'throttled',
    befall: async ({ proxy }) => {
      proxy.add({ refuse: { status: 429, reason: 'TooManyRequests', retryAfterSeconds: 2 } });
      proxy.relay.cut();
      await delay(7_000);
    },
  },
  {
    name: 'failing',
    befall: async ({ proxy }) => {
      proxy.add({ refuse: { status: 500, reason: 'InternalError' } });
      proxy.relay.cut();
      await delay(7_000);
    },
  },
  {
    name: 'expired',
    befall: async ({ proxy }) => {
      proxy.add({ matches: ({ method }) => method === 'GET', refuse: { status: 410, reason: 'Expired' }, times: 20 });
      proxy.expireWatches();
      await delay(3_000);
    },
  },
  {
    name: 'slow',
    befall: async ({ proxy }) => {
      proxy.add({ delayMs: 4_000 });
      proxy.relay.cut();
      await delay(10_000);
    },
  },
  {
    name: 'half-closed',
    befall: async ({ proxy }) => {
      proxy.relay.halfClose();
      await delay(2_000);
      proxy.relay.halfClose();
    },
  },
  {
    name: 'half-closed-http1',
    protocol: 'http/1.1',
    befall: async ({ proxy }) => {
      proxy.relay.halfClose();
      await delay(2_000);
      proxy.relay.halfClose();
    },
  },
  { name: 'frozen', befall: async ({ proxy }) => proxy.relay.freeze() },
  {
    name: 'unauthorized',
    befall: async (stricken) => {
      const { proxy, mount } = stricken;
      const expired = mount.token;
      proxy.add({ matches: ({ token }) => token === expired, refuse: { status: 401, reason: 'Unauthorized' } });
      proxy.relay.cut();
      await delay(4_000);
      await stricken.rotateToken();
    },
  },
  {
    name: 'new-authority',
    befall: async (stricken) => {
      stricken.proxy.rotateAuthority();
      stricken.proxy.relay.cut();
      await delay(4_000);
      await stricken.rotateAuthority();
    },
  },
];

async function cutAgainAndAgain({ proxy }: StrickenNode): Promise<void> {
  for (let times = 0; times < 12; times += 1) {
    proxy.relay.cut();
    await delay(400);
  }
}
