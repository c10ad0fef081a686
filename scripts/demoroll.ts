import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { KubernetesServer } from '../test/emulators/kubernetes/server.ts';
import type { DemoHost } from './demohost.ts';
import { DemoPods } from './demopods.ts';
import { command, deadlineMs, follow, print, say } from './demostage.ts';

const budgets = '/apis/policy/v1/namespaces/shop/poddisruptionbudgets';

/** Three of the nodes want a reboot, and a budget is in the way of one. Throws where it does not come out as it is told. */
export async function demonstrateRoll(
  hosts: readonly DemoHost[],
  api: KubernetesServer,
  unseen: readonly string[],
): Promise<void> {
  const witness = new Witness(hosts, api);
  const pods = new DemoPods(
    api,
    hosts.map(({ name }) => name),
  );
  const [first, , third, , fifth] = hosts;
  if (first === undefined || third === undefined || fifth === undefined) throw new Error('five hosts were expected');
  const wanting = [first, third, fifth];
  try {
    for (const { name } of wanting) await pods.create('web', name);
    await pods.create('checkout', third.name);
    await createBudget(api, 'web', { maxUnavailable: 1 });
    await createBudget(api, 'checkout', { minAvailable: 1 });

    say('A security update asks for a reboot of three nodes. One at a time goes down; a budget guards a pod of node-3');
    print('    $ nodetender status --watch\n');
    const watch = await follow(['status', '--watch', ...unseen], tellChange(Date.now()));
    print('           ( touch /var/run/reboot-required: on node-1, node-3 and node-5 )\n');
    for (const host of wanting) await host.wantReboot('linux-image-amd64');
    await until('node-1 and node-5 have rebooted, and node-3 waits for the budget', async () => {
      const isDone = first.reboots === 1 && fifth.reboots === 1;
      return (
        isDone && (await idle(api, first)) && (await idle(api, fifth)) && (await state(api, third)) === 'backing-off'
      );
    });
    await watch.stop();
    assert.equal(third.reboots, 0, 'node-3 has not rebooted');

    say('Two are done. The third has not even been cordoned: its drain could not have succeeded');
    await command(['status'], { lines: 20, unseen });

    say('Somebody adds a replica, and asks for the reboot again instead of waiting for the next try');
    print('    $ kubectl scale -n shop deployment checkout --replicas=2\n');
    await pods.create('checkout', first.name);
    await command(['reboot', third.name, '--reason', 'checkout has a replica', '--wait'], { lines: 20, unseen });

    say('All three have rebooted, and what ran there runs elsewhere');
    await command(['status'], { lines: 20, unseen });
    await command(['lock', 'list'], { lines: 5, unseen });
    print(`    pods of the shop: ${pods.places().join(', ')}\n`);
    assert.deepEqual(
      hosts.map(({ reboots }) => reboots),
      [1, 0, 1, 0, 1],
      'reboots of each node',
    );
    for (const host of hosts) assert.ok(await idle(api, host), `${host.name} is idle and takes pods`);
    assert.equal(pods.places().length, 5, 'no pod is lost');
    assert.deepEqual(witness.complaints, []);
    assert.equal(witness.gone.size, wanting.length, 'the witness has seen each of them go');
  } finally {
    witness.leave();
    await pods.stop();
  }
}

/** Sees each write to a Node, and what it would be a lie not to tell. */
class Witness {
  readonly complaints: string[] = [];
  /** Who has been cordoned or down. */
  readonly gone = new Set<string>();
  readonly leave: () => void;

  constructor(hosts: readonly DemoHost[], { emulated }: KubernetesServer) {
    const { store } = emulated;
    const nodes = emulated.resource('nodes');
    const look = (): void => {
      const cordoned = store
        .list(nodes)
        .filter(({ spec }) => (spec as { unschedulable?: boolean } | undefined)?.unschedulable === true)
        .map(({ metadata }) => metadata.name);
      const down = hosts.filter(({ machine }) => machine.state !== 'up').map(({ name }) => name);
      const away = new Set([...cordoned, ...down]);
      for (const name of away) this.gone.add(name);
      if (away.size > 1) this.complaints.push(`away together: ${[...away].join(', ')}`);
      for (const name of down) if (!cordoned.includes(name)) this.complaints.push(`${name} went down uncordoned`);
    };
    this.leave = store.listen(({ storedAs }) => {
      if (storedAs === nodes.storedAs) look();
    });
    for (const { machine } of hosts) machine.subscribe(look);
  }
}

async function createBudget(api: KubernetesServer, app: string, wants: object): Promise<void> {
  await api.clients.api.create(budgets, {
    metadata: { name: app },
    spec: { selector: { matchLabels: { app } }, ...wants },
  });
}

/** Lines of `status --watch`, with seconds since the beginning for the time of day. */
function tellChange(startMs: number): (line: string) => void {
  return (line) => {
    const [, time = '', text = line] = /^(\S+Z) (.*)$/.exec(line) ?? [];
    const seconds = Math.max(0, Math.round((Date.parse(time) - startMs) / 1000));
    print(`    ${time === '' ? '' : `${String(seconds).padStart(3)} s  `}${text}\n`);
  };
}

interface SeenNode {
  readonly metadata: { readonly labels?: Readonly<Record<string, string>> };
  readonly spec?: { readonly unschedulable?: boolean };
}

async function state(api: KubernetesServer, { name }: DemoHost): Promise<string | undefined> {
  const { metadata } = (await api.clients.api.get(`/api/v1/nodes/${name}`)) as unknown as SeenNode;
  return metadata.labels?.['nodetender.dev/state'];
}

async function idle(api: KubernetesServer, { name }: DemoHost): Promise<boolean> {
  const { metadata, spec } = (await api.clients.api.get(`/api/v1/nodes/${name}`)) as unknown as SeenNode;
  return metadata.labels?.['nodetender.dev/state'] === undefined && spec?.unschedulable !== true;
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 2 * deadlineMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await delay(100);
  }
}
