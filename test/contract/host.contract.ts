import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { HostPort } from '../../agent/host/port.ts';
import { isNodetenderError, type NodetenderError } from '../../agent/errors.ts';
import type { EmulatedHost } from '../emulators/host/host.ts';

/** A host that the contract is tried on. Never a real one: it is asked to reboot. */
export interface HostUnderTest {
  readonly port: HostPort;
  /** What stands behind the port. */
  readonly host: EmulatedHost;
  /** Ends logind for good. */
  endLogind(): Promise<void>;
  /** Lets the deadline of a call pass that has reached a host which answers nothing. */
  passDeadline(call: Promise<unknown>): Promise<void>;
  dispose(): Promise<void>;
}

const apt = {
  what: 'shutdown:sleep',
  who: 'APT',
  why: 'installing packages',
  mode: 'block',
  uid: 0,
  pid: 4321,
} as const;

/** What every HostPort must do that talks to logind, whatever stands behind it. */
export function describeHostContract(name: string, start: () => Promise<HostUnderTest>): void {
  describe(`a host port on ${name}`, () => {
    let under: HostUnderTest;
    let port: HostPort;
    let host: EmulatedHost;

    beforeEach(async () => {
      under = await start();
      ({ port, host } = under);
    });
    afterEach(async () => {
      await under.dispose();
    });

    it('knows which boot this is', async () => {
      const boot = await port.boot();
      expect(boot.bootId).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      expect(boot.uptimeMs).toBeGreaterThanOrEqual(0);
      expect((await port.boot()).bootId).toBe(boot.bootId);
    });

    it('may reboot where logind says yes', async () => {
      expect(await port.canReboot()).toEqual({ able: true });
      expect(host.rebootsAsked).toBe(0);
    });

    it.each([
      ['no', /CanReboot says no.*uid 0/],
      ['challenge', /password.*polkit rule/],
      ['challenge-inhibitor-blocked', /password.*polkit rule/],
      ['na', /cannot reboot itself.*reboot\.method/],
      ['perhaps', /not known.*perhaps.*reboot\.method/],
    ])('may not reboot where logind says %s, and says what to do', async (answer, text) => {
      host.canReboot = answer;
      expect(await port.canReboot()).toEqual({
        able: false,
        code: 'host/reboot-denied',
        text: expect.stringMatching(text),
      });
    });

    it('may reboot when nothing but an inhibitor is in the way', async () => {
      for (const answer of ['inhibited', 'inhibitor-blocked']) {
        host.canReboot = answer;
        expect(await port.canReboot()).toEqual({ able: true });
      }
    });

    it('names those who block a shutdown, and nobody else', async () => {
      host.inhibit(apt);
      host.inhibit({ ...apt, who: 'dpkg', mode: 'block-weak' });
      host.inhibit({ ...apt, who: 'kubelet', mode: 'delay' });
      host.inhibit({ ...apt, who: 'music', what: 'sleep:idle' });
      const { who, why, uid, pid } = apt;
      expect(await port.inhibitors()).toEqual([
        { who, why, uid, pid },
        { who: 'dpkg', why, uid, pid },
      ]);
    });

    it('reads inhibitors in any script', async () => {
      host.inhibit({ ...apt, who: 'обновление', why: '更新 🔧' });
      expect(await port.inhibitors()).toMatchObject([{ who: 'обновление', why: '更新 🔧' }]);
    });

    it('reboots, and shows that the shutdown is under way', async () => {
      expect(await port.preparingForShutdown()).toBe(false);
      await port.reboot();
      expect(host.rebootsAsked).toBe(1);
      expect(await port.preparingForShutdown()).toBe(true);
    });

    it('shows a reboot that is scheduled, as by a command that has ended', async () => {
      host.scheduledShutdown = 'reboot';
      expect(await port.preparingForShutdown()).toBe(true);
      host.scheduledShutdown = 'dry-reboot';
      expect(await port.preparingForShutdown()).toBe(false);
    });

    it('shows a reboot that was accepted and does not happen', async () => {
      host.outcomes.push('ignored');
      const { bootId } = await port.boot();
      await port.reboot();
      expect(await port.preparingForShutdown()).toBe(false);
      expect((await port.boot()).bootId).toBe(bootId);
    });

    it('asks for nothing while somebody blocks a shutdown, and names them', async () => {
      const end = host.inhibit(apt);
      const error = await refusal(port.reboot());
      expect(error.code).toBe('host/inhibited');
      expect(error.message).toMatch(/APT.*installing packages.*4321/);
      expect(host.rebootsAsked).toBe(0);
      end();
      await port.reboot();
      expect(host.rebootsAsked).toBe(1);
    });

    it('asks again for inhibitors: one that came after the first question forbids the reboot too', async () => {
      expect(await port.inhibitors()).toEqual([]);
      host.inhibit(apt);
      expect((await refusal(port.reboot())).code).toBe('host/inhibited');
      expect(host.rebootsAsked).toBe(0);
    });

    it('does not mind those who only delay a shutdown', async () => {
      host.inhibit({ ...apt, mode: 'delay' });
      await port.reboot();
      expect(host.rebootsAsked).toBe(1);
    });

    it.each([
      ['denied', 'host/reboot-denied'],
      ['failed', 'host/reboot-failed'],
      ['unanswered', 'host/reboot-unanswered'],
      ['lost', 'host/reboot-unanswered'],
    ] as const)('tells a reboot that is %s by the code %s', async (outcome, code) => {
      host.outcomes.push(outcome);
      expect((await refusal(port.reboot())).code).toBe(code);
      expect(host.rebootsAsked).toBe(1);
    });

    it('says so where there is no logind', async () => {
      await under.endLogind();
      expect(await port.canReboot()).toMatchObject({ able: false, code: 'host/no-logind' });
      expect((await refusal(port.reboot())).code).toBe('host/no-logind');
      expect((await refusal(port.inhibitors())).code).toBe('host/no-logind');
    });

    it('does not wait for ever', async () => {
      host.hangs = true;
      const ability = port.canReboot();
      await under.passDeadline(ability);
      expect(await ability).toMatchObject({ able: false, code: 'host/deadline' });
    });

    it('stops waiting when nobody wants to know any more', async () => {
      host.hangs = true;
      const stop = new AbortController();
      const questions = [
        port.canReboot(stop.signal),
        port.inhibitors(stop.signal),
        port.preparingForShutdown(stop.signal),
      ];
      const refusals = Promise.all(questions.map(refusal));
      stop.abort();
      expect((await refusals).map(({ code }) => code)).toEqual(questions.map(() => 'host/cancelled'));
    });
  });
}

async function refusal(call: Promise<unknown>): Promise<NodetenderError> {
  const error: unknown = await call.then(
    () => new Error('it was not refused'),
    (reason: unknown) => reason,
  );
  if (!isNodetenderError(error)) throw error;
  return error;
}
