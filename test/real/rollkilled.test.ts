import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { eventually } from '../harness/eventually.ts';
import type { PassingRequest } from '../harness/faultproxy.ts';
import type { RebootingNode } from '../harness/rebootingnode.ts';
import { RollCluster } from '../harness/rollcluster.ts';
import type { RollWitness } from '../harness/rollwitness.ts';

/**
 * Agents that are killed at every step of a roll: each write that carries it on is met by SIGKILL before it arrives at the API
 * server, and again when it is done and nobody has heard of it. So is the order to reboot.
 */

const names = ['web-1', 'web-2'];
/** An administrator has cordoned it before. */
const keptCordoned = 'web-2';
const DEADLINE_MS = 240_000;

let cluster: RollCluster;
let witness: RollWitness;
/** In the order of the kills: `web-1 before record waiting`. */
const kills: string[] = [];
/** The state that each node has written last, or was about to. */
const lastStates = new Map<string, string>();

beforeAll(async () => {
  cluster = await RollCluster.launch();
  for (const name of names) await cluster.addNode(name, { cordoned: name === keptCordoned });
  // Where pods go meanwhile.
  await cluster.addNode('web-3');
  witness = await cluster.witness();
  await cluster.addWorkload('shop', 3);
  for (const { node } of rolled()) {
    await node.bindPod(`single-${node.name}`, { containers: [{ name: 'app', image: 'registry.example/app:1' }] });
    await node.endDeletion(`single-${node.name}`);
    await node.startAgent();
  }
});
afterAll(async () => {
  await cluster?.dispose();
});

const steps = [
  'record wanted',
  'condition True',
  'record waiting',
  'take the slot',
  'try to evict',
  'cordon cordoned',
  'record draining',
  'evict',
  'record rebooting',
  // The point of no return.
  'confirm the slot rebooting',
  'record verifying',
  'uncordon releasing',
  'free the slot',
  'record idle',
  'condition False',
];

/** With the administrator's cordon there is none of ours. A life takes a second: this one loses answers alone. */
const stepsOfKept = steps.map((step) => step.replace(/^(un)?cordon /, 'record '));

/** In the words of `kills`. */
const expected = new Set([
  ...steps.flatMap((step) => [`web-1 before ${step}`, `web-1 after ${step}`]),
  ...stepsOfKept.map((step) => `web-2 after ${step}`),
]);

function rolled(): RebootingNode[] {
  return cluster.nodes.filter(({ name }) => names.includes(name));
}

/** What a write of the reboot duty is for, to an object that is this node's; undefined for any other request. */
function stepOf(node: string, { method, path, body }: PassingRequest): string | undefined {
  if (method === 'GET') return undefined;
  const sent = JSON.parse(body) as {
    metadata?: { labels?: Record<string, string | null> };
    spec?: { unschedulable?: boolean | null; holderIdentity?: string | null };
    status?: { conditions?: readonly { status: string }[] };
    deleteOptions?: { dryRun?: unknown };
  };
  if (path.includes('/leases')) {
    if (sent.spec === undefined || !('holderIdentity' in sent.spec)) return `confirm the slot ${lastStates.get(node)}`;
    return sent.spec.holderIdentity ? 'take the slot' : 'free the slot';
  }
  if (path.includes('/eviction')) return sent.deleteOptions?.dryRun === undefined ? 'evict' : 'try to evict';
  if (path.endsWith('/status')) return `condition ${sent.status?.conditions?.[0]?.status}`;
  const state = sent.metadata?.labels?.['nodetender.dev/state'];
  if (state === undefined) return undefined;
  lastStates.set(node, state ?? 'idle');
  const cordon = sent.spec?.unschedulable;
  return `${cordon === undefined ? 'record' : cordon === true ? 'cordon' : 'uncordon'} ${state ?? 'idle'}`;
}

function killAt(when: 'before' | 'after'): void {
  const kill = (request: PassingRequest) => {
    const node = cluster.nodeOf(request.token);
    const step = node && stepOf(node.name, request);
    return step === undefined ? undefined : { node, text: `${node?.name} ${when} ${step}` };
  };
  cluster.proxy.add({
    matches: (request) => {
      const { text } = kill(request) ?? {};
      return text !== undefined && expected.has(text) && !kills.includes(text);
    },
    ...(when === 'before' ? { loseRequest: true } : { loseAnswer: true }),
    onStrike: (request) => {
      const { node, text } = kill(request) ?? {};
      if (text !== undefined) kills.push(text);
      void node?.restartAgent();
    },
  });
}

/** The first order of each host is not obeyed, and whoever gave it is killed. */
function killAtOrder(node: RebootingNode): void {
  const { logind, machine } = node.host;
  machine.outcomes.push('ignored');
  logind.onCall = ({ member }) => {
    const kill = `${node.name} with the order`;
    if (member !== 'Reboot' || kills.includes(kill)) return;
    kills.push(kill);
    void node.restartAgent();
  };
}

describe('agents that are killed at every step', () => {
  beforeAll(async () => {
    killAt('before');
    killAt('after');
    for (const node of rolled()) {
      killAtOrder(node);
      await node.host.wantReboot('linux-image-generic');
    }
    const isOver = (name: string): boolean =>
      kills.includes(`${name} after condition False`) &&
      witness.seen.findLast((one) => one.startsWith(`${name} `)) === `${name} idle`;
    await eventually('all have rebooted and are idle', () => names.every(isOver), DEADLINE_MS);
  });

  it('meet it before and after each of them', () => {
    expect(new Set(kills)).toEqual(new Set([...expected, 'web-1 with the order', 'web-2 with the order']));
  });

  it('reboot each node once, one at a time, and ask again where an order was lost', () => {
    expect(witness.broken).toEqual([]);
    expect(rolled().map(({ reboots, host }) => [reboots, host.machine.rebootsAsked])).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });

  it("leave no node cordoned but the administrator's, and no slot taken", async () => {
    const objects = await Promise.all(names.map((name) => cluster.object(name)));
    expect(objects.map(({ spec }) => spec.unschedulable ?? false)).toEqual([false, true]);
    expect(await cluster.holders()).toEqual([]);
  });
});
