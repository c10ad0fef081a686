import { afterEach, beforeEach, expect, it } from 'vitest';
import { ConfiguredNeed } from '../../../../agent/duties/reboot/configuredneed.ts';
import type { SentinelSettings } from '../../../../agent/host/connect.ts';
import type { NeedSource, RebootNeed } from '../../../../agent/host/port.ts';

const base: SentinelSettings = { path: '/var/run/reboot-required', command: undefined, checkEveryMs: 60_000 };
const wish: RebootNeed = {
  wanted: true,
  kind: 'sentinel',
  sinceMs: 0,
  settledForMs: 0,
  packages: [],
  writtenAtMs: 0,
};

let settings: SentinelSettings;
let followed: string[];
let left: string[];
let stop: AbortController;
let changes: number;
beforeEach(() => {
  settings = base;
  followed = [];
  left = [];
  stop = new AbortController();
  changes = 0;
});
afterEach(() => stop.abort());

/** There is a file at `/wanted`, and at no other path. */
function source({ path }: SentinelSettings): NeedSource {
  return {
    problem: undefined,
    current: () => (path === '/wanted' ? wish : { wanted: false }),
    follow: async (onChange, signal) => {
      followed.push(path);
      onChange();
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      left.push(path);
    },
  };
}

function followedNeed(): ConfiguredNeed {
  const need = new ConfiguredNeed({ settings: () => settings, connect: source });
  void need.follow(() => (changes += 1), stop.signal);
  return need;
}

const rest = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('another path is looked at as soon as the configuration has it, and the one before no longer', async () => {
  const need = followedNeed();
  expect(need.current()).toEqual({ wanted: false });
  settings = { ...base, path: '/wanted' };
  // What the file before says is no answer any more.
  expect(need.current()).toBeUndefined();
  need.look();
  await rest();
  expect([need.current(), followed, left]).toEqual([wish, [base.path, '/wanted'], [base.path]]);
  expect(changes).toBeGreaterThan(1);
});

it('a configuration that says the same leaves it alone', async () => {
  const need = followedNeed();
  settings = { ...base };
  need.look();
  await rest();
  expect([followed, need.current()]).toEqual([[base.path], { wanted: false }]);
});

it('a command takes the place of the file, and nothing is followed after the end', async () => {
  const need = followedNeed();
  settings = { ...base, command: { argv: ['needs-restarting'], timeoutMs: 1_000 } };
  need.look();
  await rest();
  expect(followed).toHaveLength(2);
  stop.abort();
  await rest();
  expect(left).toHaveLength(2);
});
