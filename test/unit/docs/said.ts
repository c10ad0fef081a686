import { systemClock } from '../../../agent/clock.ts';
import { refusalError } from '../../../agent/cluster/errors.ts';
import { parseConfig } from '../../../agent/config/load.ts';
import { joinCluster } from '../../../agent/duties/joincluster.ts';
import { HostGate } from '../../../agent/duties/reboot/hostgate.ts';
import { messageOf } from '../../../agent/errors.ts';
import { abilityOf } from '../../../agent/host/ability.ts';
import { withBus } from '../../../agent/host/bus.ts';
import { BusError } from '../../../agent/host/dbus/connection.ts';
import { logindError } from '../../../agent/host/logind.ts';
import type { ImageRecord } from '../../../agent/images/inventory.ts';
import { plan, type Policy } from '../../../agent/images/policy.ts';
import { parseRule } from '../../../agent/images/rules.ts';
import { exclusionsUnheard, type NodeFacts, obstacleTo } from '../../../agent/node/obstacle.ts';
import { slowToEnd } from '../../../agent/reboot/drain/grace.ts';
import type { Standing } from '../../../agent/reboot/drain/steps.ts';
import { obstaclesOf, refusalText } from '../../../agent/reboot/drain/wording.ts';
import { judgePool } from '../../../agent/reboot/lock/poolhealth.ts';
import { next } from '../../../agent/reboot/machine.ts';
import type { Settings } from '../../../agent/reboot/settings.ts';
import { type Blocker, initialState, type Observation, type State } from '../../../agent/reboot/state.ts';
import { windowAt } from '../../../agent/reboot/window.ts';
import { grpcStatus, runtimeError } from '../../../agent/runtime/errors.ts';
import { findRuntimeEndpoint } from '../../../agent/runtime/sockets.ts';
import { VirtualClock } from '../../emulators/clock.ts';
import { EmulatedHost } from '../../emulators/host/host.ts';
import { inMemoryHostPort } from '../../emulators/host/in-memory-port.ts';
import { defaultSettings } from '../../sim/reboot/settings.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS, NOW_MS, record, user, usualPolicy } from '../images/examples.ts';
import { budget, drainPod } from '../reboot/drain/pods.ts';

/** What the agent really says where the pages quote it. */

const node = 'web-1';

async function messageThrown(attempt: Promise<unknown>): Promise<string> {
  return await attempt.then(() => 'nothing is wrong', messageOf);
}

/** Why nothing may be removed now. */
export function waitsOfCleaning(): string[] {
  const usual: NodeFacts = {
    nodeName: node,
    hold: undefined,
    pause: undefined,
    nodeExists: true,
    unread: [],
    leftOut: undefined,
    unheardMs: 0,
    unreachableLimitMs: 10 * MINUTE_MS,
    drain: { phase: 'calm' },
    nowMs: HOUR_MS,
    settleMs: 10 * MINUTE_MS,
  };
  const facts: readonly Partial<NodeFacts>[] = [
    { hold: 'disk being moved' },
    { pause: 'incident 4711' },
    { drain: { phase: 'draining', seen: true } },
    { drain: { phase: 'settling', calmSinceMs: HOUR_MS } },
    { leftOut: 'it has the label eraser.sh/cleanup.filter' },
    { nodeExists: false },
    { unread: ['the Node'] },
    { unheardMs: 11 * MINUTE_MS },
  ];
  const all = facts.map((some) => obstacleTo({ ...usual, ...some }));
  return [...all, exclusionsUnheard(['shared'], 10 * MINUTE_MS)].map((obstacle) => obstacle?.reason ?? 'none');
}

/** Why an image stays. */
export function reasonsToStay(): string[] {
  const pod = { namespace: 'shop', name: 'web-0', uid: 'u' };
  const web = user.kind === 'container' ? { ...user, pod } : user;
  const reasonOf = (image: Partial<ImageRecord>, policy: Partial<Policy> = {}, unresolved = false): string => {
    const inventory = {
      takenAtMs: NOW_MS,
      images: [record('registry.example/shop:9', image)],
      unresolved: unresolved ? [{ reference: 'shop:9', user: web, why: 'no answer' }] : [],
      podsUnchangedMs: 0,
    };
    return plan(inventory, { ...usualPolicy, ...policy }, NOW_MS).keep[0]?.reason ?? 'it goes';
  };
  return [
    reasonOf({ users: [web] }),
    reasonOf({ lastUsedMs: NOW_MS - 3 * DAY_MS }),
    reasonOf({ firstSeenMs: NOW_MS - HOUR_MS }),
    reasonOf({ firstSeenMs: NOW_MS + HOUR_MS }),
    reasonOf({}, { keep: [parseRule('registry.example/*')] }),
    reasonOf({ pinned: true }),
    reasonOf({}, {}, true),
    reasonOf({ failure: { count: 2, retryAtMs: NOW_MS + 10 * MINUTE_MS, message: 'busy' } }),
  ];
}

const sentinel = {
  wanted: true,
  kind: 'sentinel',
  sinceMs: NOW_MS - HOUR_MS,
  settledForMs: HOUR_MS,
  writtenAtMs: NOW_MS - HOUR_MS,
  packages: [],
} as const;
const usualNode: NonNullable<Observation['node']> = {
  uid: 'uid',
  unschedulable: false,
  cordonedBySomebody: false,
  reportedBootId: 'boot',
  ready: true,
  readyForMs: HOUR_MS,
  hold: undefined,
  request: undefined,
  marks: [],
};
const state: State = { ...initialState('uid', NOW_MS), bootId: 'boot' };
const facts: Observation = {
  nowMs: NOW_MS,
  bootId: 'boot',
  uptimeMs: DAY_MS,
  sentinel,
  paused: false,
  unknownForMs: { sentinel: 0, pause: 0, slots: 0 },
  recordedForMs: 0,
  node: usualNode,
  lock: { kind: 'none', turn: false, waitingFor: '' },
  window: windowAt({ allow: [], deny: [] }, NOW_MS),
  answers: {},
  drain: { kind: 'none' },
  rebootCall: { kind: 'none' },
  preparingForShutdown: undefined,
};

/** Why a node that wants a reboot does not ask for a slot. */
export async function waitsOfReboot(): Promise<string[]> {
  const reasonOf = (some: Partial<Observation>, settings: Partial<Settings> = {}): string =>
    next(state, { ...facts, ...some }, { ...defaultSettings, ...settings }, () => 0.5).reason.text;
  const blockedBy = ({ gate, reason }: Blocker): string =>
    reasonOf({ answers: { gates: { askedAgoMs: 1, answeredAgoMs: 1, blockedBy: [{ gate, reason }] } } });
  const nodes = Array.from({ length: 10 }, (_, index) => {
    return { name: `web-${index}`, ready: index > 3, cordonedBy: 'nobody', isRebooting: index > 1 } as const;
  });
  const unwell = judgePool(nodes, 'web-9', { maxUnhealthy: undefined, countCordoned: false });
  const yearly = { cron: '0 0 1 1 *', durationMs: 1, timeZone: 'UTC' };
  return [
    reasonOf({ sentinel: { ...sentinel, settledForMs: 0 } }),
    reasonOf({ node: { ...usualNode, hold: 'disk being moved' } }),
    reasonOf({ paused: 'incident 4711' }),
    reasonOf({}, { enabled: false }),
    reasonOf({ window: windowAt({ allow: [yearly], deny: [] }, NOW_MS) }),
    reasonOf({ uptimeMs: MINUTE_MS }),
    blockedBy({ gate: 'pods', reason: 'batch/job' }),
    blockedBy({ gate: 'prometheus', reason: 'HighLoad' }),
    blockedBy({ gate: 'inhibitors', reason: 'apt' }),
    blockedBy({ gate: 'pool-health', reason: unwell.kind === 'unhealthy' ? unwell.reason : 'healthy' }),
    ...(await strangeHost()).map(blockedBy),
  ];
}

/** An agent that was given the name of another machine's Node. */
async function strangeHost(): Promise<readonly Blocker[]> {
  const clock = new VirtualClock();
  const host = inMemoryHostPort(new EmulatedHost({ clock }));
  const gate = new HostGate({ host, nodeName: node, reportedBootId: () => 'another', clock });
  return await gate.blockers(new AbortController().signal);
}

/** What keeps a drain from its end. */
export function obstaclesOfDrain(): string[] {
  const pods = [drainPod('web-0')];
  const textOf = (standing: Standing, budgets = [budget('web', { allowed: 0, healthy: 2 })]): string[] =>
    obstaclesOf([{ pod: drainPod('web-0'), standing, askedAtMs: 0 }], budgets).map(({ text }) => text);
  const refused = (why: 'empty-dir' | 'unmanaged'): string =>
    refusalText({ evict: [], warnings: [], left: [], refused: pods.map((pod) => ({ pod, why })) });
  const slow = slowToEnd([drainPod('web-0', { graceSeconds: 7200 })], {
    timeoutMs: 1_800_000,
    podTimeoutMs: undefined,
    gracePeriodSeconds: undefined,
  });
  const blocked: Standing = { is: 'blocked', obstacle: 'budget', why: '' };
  return [
    ...textOf(blocked),
    ...textOf(blocked, [budget('web', { allowed: 0, expected: 1, desiredHealthy: 1, healthy: 1 })]),
    ...textOf({ is: 'given-up', obstacle: 'several-budgets', why: '' }, [budget('a'), budget('b')]),
    ...textOf({ is: 'ending' }),
    slow ?? 'nothing',
    refused('empty-dir'),
    refused('unmanaged'),
  ];
}

/** Why the host would deny a reboot. */
export async function denialsOfHost(): Promise<string[]> {
  const denied = new BusError('org.freedesktop.DBus.Error.AccessDenied', 'by AppArmor');
  const absent = new BusError('org.freedesktop.DBus.Error.ServiceUnknown', 'no such name');
  const nowhere = { socketPath: '/nonexistent/system_bus_socket', clock: systemClock };
  const nothing = async (): Promise<void> => await Promise.resolve();
  const busless = await messageThrown(withBus(nowhere, undefined, nothing));
  return [
    ...[denied, absent].map((error) => logindError(error, 'CanReboot').message),
    ...['no', 'challenge'].map(abilityOf).map((ability) => (ability.able ? 'able' : ability.text)),
    busless.replaceAll('/nonexistent/', '/run/dbus/'),
  ];
}

/** What an agent that is not ready, or has ended, says. */
export async function problemsOfAgent(): Promise<string[]> {
  const endpoint = 'unix:///run/containerd/containerd.sock';
  const runtime = (code: number, details: string): string =>
    runtimeError({ code, details }, { method: 'Version', endpoint, deadlineMs: 1_000 }).message;
  const pods = { verb: 'list', what: 'pods in all namespaces' };
  const message = 'pods is forbidden';
  const join = { cluster: parseConfig('{}', '').cluster, kubeconfig: undefined, env: { KUBERNETES_SERVICE_HOST: 'k' } };
  return [
    runtime(grpcStatus.unavailable, 'connect ENOENT'),
    runtime(grpcStatus.unavailable, 'connect EACCES'),
    runtime(grpcStatus.unimplemented, 'unknown service runtime.v1.RuntimeService'),
    await messageThrown(findRuntimeEndpoint(['/nonexistent'])),
    refusalError({ httpStatus: 403, retryAfter: undefined, status: { message } }, pods, 0).message,
    await messageThrown(Promise.try(() => parseConfig('images: 1', '/etc/nodetender/config.yaml'))),
    await messageThrown(joinCluster({ ...join, userAgent: '', clock: systemClock, random: Math.random })),
  ];
}
