import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { NeedSource, RebootNeed } from '../../agent/host/port.ts';
import type { VirtualClock } from '../emulators/clock.ts';

/** A wish for a reboot that the contract is tried on. */
export interface NeedUnderTest {
  readonly source: NeedSource;
  readonly clock: VirtualClock;
  /** A package run writes the sentinel now, or writes it again. */
  want(packages: readonly string[]): Promise<void>;
  clear(): Promise<void>;
  dispose(): Promise<void>;
}

/** What every NeedSource must do that follows a sentinel. */
export function describeNeedContract(name: string, start: () => Promise<NeedUnderTest>): void {
  describe(`the wish for a reboot in ${name}`, () => {
    let under: NeedUnderTest;
    let source: NeedSource;
    let following: Promise<void>;
    let stop: AbortController;
    let changed: () => void;

    beforeEach(async () => {
      under = await start();
      ({ source } = under);
      stop = new AbortController();
      changed = () => undefined;
      following = source.follow(() => changed(), stop.signal);
      await seen((need) => need?.wanted === false);
    });
    afterEach(async () => {
      stop.abort();
      await following;
      await under.dispose();
    });

    /** Resolves when the source has told a change after which `holds`. */
    async function seen(holds: (need: RebootNeed | undefined) => boolean): Promise<void> {
      const { promise, resolve } = Promise.withResolvers<void>();
      changed = () => {
        if (holds(source.current())) resolve();
      };
      changed();
      await promise;
    }

    async function want(...packages: string[]): Promise<void> {
      await under.want(packages);
      await seen((need) => need?.wanted === true && need.packages.length === packages.length);
    }

    it('is there with the packages that ask for it', async () => {
      await want('linux-image', 'libc6');
      expect(source.current()).toEqual({
        wanted: true,
        kind: 'sentinel',
        sinceMs: under.clock.nowMs(),
        settledForMs: 0,
        packages: ['linux-image', 'libc6'],
        writtenAtMs: under.clock.nowMs(),
      });
    });

    it('settles while nothing about it changes', async () => {
      await want();
      await under.clock.advance(50_000);
      expect(source.current()).toMatchObject({ settledForMs: 50_000 });
    });

    it('begins to settle anew with each package, and keeps its place in the queue', async () => {
      const wantedAtMs = under.clock.nowMs();
      await want('linux-image');
      await under.clock.advance(50_000);
      await want('linux-image', 'libc6');
      await under.clock.advance(1000);
      expect(source.current()).toMatchObject({ settledForMs: 1000, sinceMs: wantedAtMs });
    });

    it('does not settle earlier because somebody sets the clock', async () => {
      await want();
      under.clock.jump(3_600_000);
      expect(source.current()).toMatchObject({ settledForMs: 0 });
    });

    it('is gone when its sentinel is, and begins anew with the next', async () => {
      await want('linux-image');
      await under.clock.advance(10_000);
      await under.clear();
      await seen((need) => need?.wanted === false);
      await under.clock.advance(10_000);
      await want();
      expect(source.current()).toMatchObject({ sinceMs: under.clock.nowMs(), settledForMs: 0 });
    });
  });
}
