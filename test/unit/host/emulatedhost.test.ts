import { beforeEach, describe, expect, it } from 'vitest';

import { inMemoryHostPort } from '../../emulators/host/in-memory-port.ts';
import { EmulatedHost, type RebootOutcome } from '../../emulators/host/host.ts';
import { EmulatedNeed } from '../../emulators/host/need.ts';
import { VirtualClock } from '../../emulators/clock.ts';

const SHUTDOWN_MS = 5000;
const BOOT_MS = 30_000;

describe('an emulated host', () => {
  let clock: VirtualClock;
  let host: EmulatedHost;
  let history: string[];

  beforeEach(() => {
    clock = new VirtualClock();
    let boots = 0;
    const newBootId = (): string => {
      boots += 1;
      return `boot-${boots}`;
    };
    host = new EmulatedHost({ clock, shutdownMs: SHUTDOWN_MS, bootMs: BOOT_MS, newBootId });
    history = [];
    host.subscribe((state) => history.push(`${state} ${host.boot.bootId}`));
  });

  async function reboot(outcome: RebootOutcome): Promise<void> {
    host.outcomes.push(outcome);
    await inMemoryHostPort(host)
      .reboot()
      .catch(() => undefined);
  }

  it('goes down and comes up in another boot', async () => {
    await clock.advance(1000);
    await reboot('reboots');
    await clock.advance(SHUTDOWN_MS - 1);
    expect(host.state).toBe('going-down');
    await clock.advance(1);
    expect(host.state).toBe('down');
    await clock.advance(BOOT_MS + 7);
    expect(history).toEqual(['down boot-1', 'up boot-2']);
    expect(host.boot).toEqual({ bootId: 'boot-2', uptimeMs: 7, bootedAtMs: clock.nowMs() - 7 });
  });

  it('goes down once, however often it is asked', async () => {
    await reboot('reboots');
    await reboot('reboots');
    await clock.advance(3_600_000);
    expect({ boots: host.boots, asked: host.rebootsAsked }).toEqual({ boots: ['boot-1', 'boot-2'], asked: 2 });
  });

  it.each([
    ['unanswered', 'up', ['boot-1', 'boot-2']],
    ['never-returns', 'down', ['boot-1']],
    ['stuck', 'going-down', ['boot-1']],
    ['ignored', 'up', ['boot-1']],
    ['lost', 'up', ['boot-1']],
    ['denied', 'up', ['boot-1']],
    ['failed', 'up', ['boot-1']],
  ] as const)('whose reboot is %s is %s in the end', async (outcome, state, boots) => {
    await reboot(outcome);
    await clock.advance(3_600_000);
    expect({ state: host.state, boots: host.boots }).toEqual({ state, boots });
  });

  it('that hangs in its shutdown can be helped by its power button', async () => {
    await reboot('stuck');
    await clock.run(host.powerCycle());
    expect(history).toEqual(['down boot-1', 'up boot-2']);
  });

  it('loses its inhibitors with a boot, and its wish unless that outlives boots', async () => {
    const need = new EmulatedNeed(host);
    host.inhibit({ what: 'shutdown', who: 'APT', why: 'installing', mode: 'delay', uid: 0, pid: 1 });
    need.want(['linux-image']);
    await clock.advance(1000);
    await clock.run(host.powerCycle());
    expect(host.inhibitors).toEqual([]);
    expect(need.current()).toEqual({ wanted: false });
    need.outlivesBoots = true;
    need.want(['linux-image']);
    const writtenAtMs = clock.nowMs();
    await clock.advance(1000);
    await clock.run(host.powerCycle());
    expect(need.current()).toMatchObject({ wanted: true, writtenAtMs });
  });
});
