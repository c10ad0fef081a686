import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { installAdmissionPolicies } from '../harness/admissionpolicy.ts';
import type { Api, ApiAnswer, Json } from '../harness/api.ts';
import { eventually } from '../harness/eventually.ts';
import { installEraserObjects } from '../harness/imagelistagents.ts';
import { ControlPlane } from '../harness/kubernetes.ts';
import { grant } from '../harness/permissions.ts';
import {
  against,
  beyond,
  earlierTaint,
  evictElsewhere,
  granted,
  grantedWhileOff,
  leftOver,
  namespace,
  other,
  own,
  refusedWhileOff,
  type Try,
} from './admissioncases.ts';

/** The chart's admission policies on a real API server, and the token of an agent's pod in the wrong hands. */

const account = { kind: 'ServiceAccount', name: 'nodetender' };
const record = 'nodetender.dev/reboot-status';
const config = {
  reboot: {
    enabled: true,
    marks: {
      preferNoScheduleTaint: 'example.com/rebooting',
      labelsBefore: ['example.com/rebooting=true'],
      labelsAfter: ['example.com/rebooting=false'],
      leaveLoadBalancers: true,
    },
    hooks: { before: { annotations: ['example.com/ready', 'example.com/voted'] } },
  },
};
const tries = [...against, ...beyond, ...granted, evictElsewhere];

let plane: ControlPlane;
/** Somebody with the token of the agent on `own`, and with one that names no node. */
let thief: Api;
let nobody: Api;
let byRbacAlone: Map<string, ApiAnswer>;
let withPolicies: Map<string, ApiAnswer>;

beforeAll(async () => {
  // Of the controllers only the one that reads policies for mistakes; others would care for the nodes and pods.
  const controllers = 'serviceaccount-controller,validatingadmissionpolicy-status-controller';
  plane = await ControlPlane.launch({
    controllerManager: true,
    controllerManagerFlags: [`--controllers=${controllers}`],
  });
  const { clients } = plane;
  await installEraserObjects(clients);
  await clients.api.create(`/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name: account.name } });
  for (const role of ['agent', 'reboots', 'ownersGuarded'] as const) await grant(clients, role, account);
  await furnish(clients.api);
  const bound = await plane.serviceAccountToken({ namespace, name: account.name }, { pod: `nodetender-${own}` });
  thief = clients.apiOf({ token: bound });
  nobody = clients.apiOf({ token: await plane.serviceAccountToken({ namespace, name: account.name }) });
  byRbacAlone = await answersOf(thief);
  await installAdmissionPolicies(clients, { config });
  withPolicies = await answersOf(thief);
});
afterAll(async () => {
  await plane?.destroy();
});

describe('a token of an agent', () => {
  it('is refused nothing of all this by RBAC alone', () => {
    expect(refused(byRbacAlone)).toEqual([]);
  });

  it('may write, where the policies are, what the agent of its node writes', () => {
    expect(granted.map(({ what }) => [what, said(withPolicies, what)])).toEqual(
      granted.map(({ what }) => [what, 'done']),
    );
  });

  it.each([...against, ...beyond])('may not $what', ({ what }) => {
    expect(withPolicies.get(what)?.status).toBe(422);
    expect(said(withPolicies, what)).toMatch(
      /ValidatingAdmissionPolicy 'nodetender-\w+' .* denied request: .*(agent|Lease)/,
    );
  });

  it('may evict pods of other nodes: the policies do not see where they are', () => {
    expect(said(withPolicies, evictElsewhere.what)).toBe('done');
  });

  it('may do nothing at all where it names no node', async () => {
    expect([...(await answersOf(nobody)).values()].filter(({ status }) => status !== 422)).toEqual([]);
  });
});

describe('the policies', () => {
  it('leave everybody else alone', async () => {
    expect(refused(await answersOf(plane.api))).toEqual([]);
  });

  it('are understood by the API server without a warning', async () => {
    const path = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies';
    const warnings = async (): Promise<(readonly object[])[] | undefined> => {
      const { items } = (await plane.api.get(path)) as { items: { status?: { typeChecking?: Checked } }[] };
      const checked = items.flatMap(({ status }) => status?.typeChecking ?? []);
      return checked.length < items.length ? undefined : checked.map((one) => one.expressionWarnings ?? []);
    };
    expect(await eventually('they are checked', warnings, 60_000)).toEqual([[], [], [], [], []]);
  });
});

describe('evictions that are confined', () => {
  it('are those of pods on the own node', async () => {
    await installAdmissionPolicies(plane.clients, { config, admissionPolicy: { evictions: true } });
    await eventually('it is refused', async () => {
      const answers = await answersOf(thief, [evictElsewhere]);
      return said(answers, evictElsewhere.what).includes('may evict pods of no other');
    });
    expect(refused(await answersOf(thief, granted))).toEqual([]);
  });
});

describe('reboots that are turned off', () => {
  it('leave an agent nothing to put on or to evict, and let it take back what it has put on', async () => {
    await installAdmissionPolicies(plane.clients, { config: { reboot: { ...config.reboot, enabled: false } } });
    const all = refusedWhileOff.length;
    await eventually('they are off', async () => refused(await answersOf(thief, refusedWhileOff)).length === all);
    await plane.api.merge(`/api/v1/nodes/${own}`, leftOver);
    expect(refused(await answersOf(thief, grantedWhileOff))).toEqual([]);
    expect(refused(await answersOf(thief, refusedWhileOff))).toHaveLength(all - 2);
  });
});

describe('docs/security.md', () => {
  it('has these very rows', () => {
    const page = readFileSync(new URL('../../docs/security.md', import.meta.url), 'utf8');
    const rows = tries.map(({ what }) => {
      const verdict = (answers: Map<string, ApiAnswer>): string => (said(answers, what) === 'done' ? 'yes' : '**no**');
      return `| ${what} | ${verdict(byRbacAlone)} | ${verdict(withPolicies)} |`;
    });
    expect(page.replaceAll(/ +\|/g, ' |')).toContain(rows.join('\n'));
  });
});

interface Checked {
  readonly expressionWarnings?: readonly object[];
}

async function answersOf(api: Api, all: readonly Try[] = tries): Promise<Map<string, ApiAnswer>> {
  const answers = new Map<string, ApiAnswer>();
  for (const { what, send } of all) answers.set(what, await send(api));
  return answers;
}

function said(answers: ReadonlyMap<string, ApiAnswer>, what: string): string {
  const answer = answers.get(what);
  if (answer === undefined) return 'not tried';
  return answer.status < 300 ? 'done' : String(answer.body['message']);
}

function refused(answers: ReadonlyMap<string, ApiAnswer>): string[] {
  return [...answers.keys()].flatMap((what) =>
    said(answers, what) === 'done' ? [] : [`${what}: ${said(answers, what)}`],
  );
}

/** Two nodes with a pod each, an agent's pod, Leases and an ImageList. */
async function furnish(api: Api): Promise<void> {
  const containers = [{ name: 'app', image: 'registry.example/app:1' }];
  for (const [name, pod] of [
    [own, 'here'],
    [other, 'there'],
  ] as const) {
    await api.create('/api/v1/nodes', {
      metadata: {
        name,
        labels: { pool: 'web' },
        annotations: { 'example.com/voted': 'true', [record]: JSON.stringify({ softTaint: earlierTaint }) },
      },
    });
    const taints = [
      { key: 'dedicated', effect: 'NoSchedule' },
      { key: earlierTaint, effect: 'PreferNoSchedule' },
    ];
    // In place of those that a new Node is given.
    await api.merge(`/api/v1/nodes/${name}`, { spec: { taints } });
    await api.create('/api/v1/namespaces/default/pods', {
      metadata: { name: pod },
      spec: { nodeName: name, containers },
    });
  }
  await api.create(`/api/v1/namespaces/${namespace}/pods`, {
    metadata: { name: `nodetender-${own}` },
    spec: { nodeName: own, serviceAccountName: account.name, containers },
  });
  const leases: readonly (readonly [string, string])[] = [
    ['nodetender-default-0', other],
    ['nodetender-default-1', own],
    ['nodetender-default-2', ''],
    ['nodetender-imagelist', other],
    ['leader', 'somebody'],
  ];
  for (const [name, holderIdentity] of leases) {
    await api.create(`/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`, {
      metadata: { name, ...(name.includes('default') ? { labels: { 'nodetender.dev/pool': 'default' } } : {}) },
      spec: { holderIdentity },
    });
  }
  const list: Json = {
    apiVersion: 'eraser.sh/v1',
    kind: 'ImageList',
    metadata: { name: 'imagelist' },
    spec: { images: [] },
  };
  await api.create('/apis/eraser.sh/v1/imagelists', list);
}
