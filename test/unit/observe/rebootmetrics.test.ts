import { readdirSync, readFileSync } from 'node:fs';
import { Registry } from 'prom-client';
import { beforeEach, expect, it } from 'vitest';
import { RebootMetrics } from '../../../agent/observe/rebootmetrics.ts';
import { initialState, type Reason, type State } from '../../../agent/reboot/state.ts';
import { slot } from '../reboot/lock/slots.ts';

const startMs = Date.UTC(2026, 0, 5, 12);
const idle = initialState('uid-1', startMs);
const asking: Reason = { code: 'asking', text: 'the gates are being asked' };

let registry: Registry;
let metrics: RebootMetrics;
beforeEach(() => {
  registry = new Registry();
  metrics = new RebootMetrics(registry);
});

async function samples(name: string): Promise<string[]> {
  const lines = (await registry.metrics()).split('\n');
  return lines.filter((line) => line.startsWith(`nodetender_${name}`)).map((line) => line.slice('nodetender_'.length));
}

function at(seconds: number, phase: State['phase'], over: Partial<State> = {}): State {
  return { ...idle, phase, sinceMs: startMs + seconds * 1000, ...over };
}

it('the time of a phase is that of the record, also of one in which the host was down and no agent lived', async () => {
  const rebooting = at(100, 'rebooting');
  metrics.stepped(rebooting, at(190, 'verifying'), asking);
  metrics.stepped(at(190, 'verifying'), at(190, 'verifying'), asking);
  metrics.stepped(at(190, 'verifying'), at(260, 'idle'), asking);
  metrics.stepped(at(260, 'idle'), at(9000, 'wanted'), asking);
  expect(await samples('reboot_phase_duration_seconds_sum')).toEqual([
    'reboot_phase_duration_seconds_sum{phase="rebooting"} 90',
    'reboot_phase_duration_seconds_sum{phase="verifying"} 70',
  ]);
});

it('a clock that was set back takes nothing from the sums', async () => {
  metrics.stepped(at(100, 'draining'), at(50, 'rebooting'), asking);
  expect(await samples('reboot_phase_duration_seconds_sum')).toEqual([]);
});

it('what is in the way stays on the page while it is asked again, and leaves it with the answer', async () => {
  metrics.stepped(idle, idle, { code: 'gate-blocks', text: 'why', gates: ['pods', 'host'] });
  metrics.stepped(idle, idle, asking);
  expect(await samples('reboot_blocked')).toEqual(['reboot_blocked{gate="pods"} 1', 'reboot_blocked{gate="host"} 1']);
  metrics.stepped(idle, idle, { code: 'slot-taken', text: 'why' });
  expect(await samples('reboot_blocked')).toEqual([]);
});

it('failures are counted once each, by their reason, and so is a node that does not come back well', async () => {
  const reason: Reason = { code: 'drain-failed', text: 'why' };
  const failed = at(10, 'backing-off', { failures: 1, reason });
  metrics.stepped(at(0, 'draining'), failed, reason);
  metrics.stepped(failed, failed, reason);
  const unwell: Reason = { code: 'unhealthy', text: 'why' };
  metrics.stepped(at(20, 'verifying'), at(20, 'verifying', { reason: unwell }), unwell);
  metrics.stepped(at(20, 'verifying', { reason: unwell }), at(20, 'verifying', { reason: unwell }), unwell);
  const counted = (await samples('reboot_failures_total')).filter((line) => !line.endsWith(' 0'));
  expect(counted).toEqual([
    'reboot_failures_total{reason="drain-failed"} 1',
    'reboot_failures_total{reason="unhealthy"} 1',
  ]);
});

it('a node that does not come back well is counted also where tries before that reboot had failed', async () => {
  const unwell: Reason = { code: 'unhealthy', text: 'why' };
  metrics.stepped(at(20, 'verifying', { failures: 2 }), at(20, 'verifying', { failures: 2, reason: unwell }), unwell);
  expect(await samples('reboot_failures_total{reason="unhealthy"}')).toEqual([
    'reboot_failures_total{reason="unhealthy"} 1',
  ]);
});

it('every reason of a failure is there before the first one: a counter that begins at 1 has not increased', async () => {
  const machine = new URL('../../../agent/reboot/machine/', import.meta.url);
  const sources = readdirSync(machine).map((name) => readFileSync(new URL(name, machine), 'utf8'));
  const failing = sources.flatMap((text) => [...text.matchAll(/\bfail\(moment, \{\s*code: '([a-z-]+)'/g)]);
  const reasons = [
    ...failing.map(([, code = '']) => code),
    'drain-failed',
    'gate-blocks',
    'facts-missing',
    'unhealthy',
  ];
  expect(reasons.length).toBeGreaterThan(9);
  for (const reason of reasons) {
    const name = `reboot_failures_total{reason="${reason}"}`;
    expect(await samples(name)).toEqual([`${name} 0`]);
  }
});

it('a node that is not well after its reboot is shown until it has proven that it is', async () => {
  expect(await samples('reboot_unhealthy')).toEqual([]);
  const verifying = (code: Reason['code']): State => at(20, 'verifying', { reason: { code, text: 'why' } });
  const shown = async (after: State): Promise<string[]> => {
    metrics.stepped(after, after, after.reason);
    return await samples('reboot_unhealthy');
  };
  expect(await shown(at(10, 'idle'))).toEqual(['reboot_unhealthy 0']);
  expect(await shown(verifying('node-not-ready'))).toEqual(['reboot_unhealthy 0']);
  expect(await shown(verifying('unhealthy'))).toEqual(['reboot_unhealthy 1']);
  expect(await shown(verifying('soaking'))).toEqual(['reboot_unhealthy 1']);
  expect(await shown(at(30, 'releasing'))).toEqual(['reboot_unhealthy 0']);
});

it('need and last reboot are there with their times, or not at all', async () => {
  metrics.stepped(idle, idle, asking);
  expect(await samples('reboot_required')).toEqual(['reboot_required 0']);
  expect(await samples('last_reboot')).toEqual([]);
  const need = { kind: 'sentinel', sinceMs: startMs, packages: [] } as const;
  const lastReboot = { bootId: 'b', atMs: startMs, judged: true };
  metrics.stepped(idle, at(1, 'wanted', { need, lastReboot }), asking);
  expect(await samples('reboot_required')).toEqual([
    'reboot_required 1',
    `reboot_required_since_timestamp_seconds ${startMs / 1000}`,
  ]);
  expect(await samples('last_reboot')).toEqual([`last_reboot_timestamp_seconds ${startMs / 1000}`]);
  expect(await samples('reboot_phase{phase="wanted"}')).toEqual(['reboot_phase{phase="wanted"} 1']);
});

it('held slots are shown with what is wrong, and none when they are not followed any more', async () => {
  const held = { slot: slot('workers-0', { heldBy: 'a' }), node: 'a', heldSeconds: 90 };
  metrics.slotsSeen([{ ...held, problem: { code: 'never-came-back', text: 'why' } }]);
  const labels = 'pool="workers",slot="nodetender-workers-0",node="a"';
  expect(await samples('lock_')).toEqual([
    `lock_held_seconds{${labels}} 90`,
    `lock_problem{${labels},problem="never-came-back"} 1`,
  ]);
  metrics.slotsSeen([{ ...held, problem: undefined }]);
  expect(await samples('lock_')).toEqual([`lock_held_seconds{${labels}} 90`]);
  metrics.slotsSeen(undefined);
  expect(await samples('lock_')).toEqual([]);
});

it('messages are counted by what became of them, from zero', async () => {
  metrics.notified('dropped');
  expect(await samples('notifications_total')).toEqual([
    'notifications_total{outcome="sent"} 0',
    'notifications_total{outcome="dropped"} 1',
    'notifications_total{outcome="overflow"} 0',
    'notifications_total{outcome="removed"} 0',
  ]);
});
