import { describe, expect, it } from 'vitest';
import type { Need, State } from '../../../../agent/reboot/state.ts';
import { eventually } from '../command.ts';
import type { CommandHereOptions } from '../commandhere.ts';
import type { CommandsSetting } from './setting.ts';

const slotName = 'nodetender-default-0';

/** `nodetender status`, `reboot` and `lock`. */
export function describeReboots(the: CommandsSetting): void {
  const { begin, run, spawn, annotate, annotationsOf, record, takeSlot } = the;

  const need: Need = { kind: 'sentinel', sinceMs: Date.now() - 600_000, packages: ['linux-image'] };
  const draining: Partial<State> = {
    phase: 'draining',
    need,
    slot: slotName,
    reason: { code: 'pods-leaving', text: 'the pods are being evicted' },
  };
  const blocked: Partial<State> = {
    phase: 'wanted',
    need,
    reason: { code: 'gate-blocks', text: 'blocked by pods: x' },
  };

  async function askedOf(node: string): Promise<string | undefined> {
    return (await annotationsOf(`/api/v1/nodes/${node}`))['nodetender.dev/reboot'];
  }

  async function holder(): Promise<string | undefined> {
    const { spec } = (await the.cluster.clients.api.get(`${the.leases}/${slotName}`)) as {
      spec: { holderIdentity?: string };
    };
    return spec.holderIdentity;
  }

  function typing(answer: string): CommandHereOptions {
    return { answer: async () => await Promise.resolve(answer) };
  }

  describe('nodetender status', () => {
    it('shows who holds the slot, who waits for it, and what blocks whom', async () => {
      await record('web-1', draining);
      await takeSlot('web-1');
      await record('web-2', { phase: 'waiting', need });
      await record('db-1', blocked);
      const { status, stdout, stderr } = await run('status');
      expect(status).toBe(0);
      expect(stdout).toMatch(/^default +1\/1 +1 +1 +0 +3 +no reboot begins: 2 of 3 nodes/m);
      expect(stdout).toMatch(
        /^default +web-1 +draining,NotReady +\d+s +nodetender-default-0 for \d+s +\d+m +sentinel +the pods are being evicted$/m,
      );
      expect(stdout).toMatch(/web-2 .* next +\d+m +sentinel +pool default lets 1 at a time: web-1 holds nodetender-/);
      expect(stdout).toMatch(/db-1 .* blocked by pods: x$/m);
      expect(stderr).toBe('\n3 nodes on the way\n');
      const one = JSON.parse((await run('status', '-l', 'pool=web', '-o', 'json')).stdout) as { nodes: object[] };
      expect(one.nodes).toMatchObject([
        { name: 'web-1', state: 'draining', slot: slotName, place: null, need: { packages: ['linux-image'] } },
        { name: 'web-2', state: 'waiting', slot: null, place: 1 },
      ]);
      expect((await run('status', 'db-1', '-o', 'name')).stdout).toBe('node/db-1\n');
      expect((await run('status', 'web-9')).status).toBe(1);
    });

    it('goes on with a line for each change until interrupted', async () => {
      const command = spawn(['status', '--watch']);
      await command.untilSaid(/Z no reboot is wanted$/m);
      await record('web-1', draining);
      await command.untilSaid(/Z node\/web-1 draining: the pods are being evicted$/m);
      await takeSlot('web-1');
      await command.untilSaid(/Z lease\/nodetender-default-0 is held by node\/web-1$/m);
      await run('pause', '--namespace', 'kube-system', '--reason', 'incident 4711');
      await command.untilSaid(/Z reboots are paused by configmap\/nodetender-control in kube-system: incident 4711$/m);
      command.signal('SIGINT');
      expect((await command.outcome()).status).toBe(130);
    });
  });

  describe('nodetender reboot', () => {
    it('asks by a new value, which says whether it is urgent, and why', async () => {
      await annotate('web-2', { hold: 'disk copy' });
      const { status, stdout, stderr } = await run('reboot', '-l', 'pool=web', '--now', '--reason', 'CVE-2026-1');
      expect([status, stdout]).toEqual([0, 'node/web-1 annotated\n']);
      expect(stderr).toBe('node/web-2 left out: held (disk copy)\n');
      expect(await askedOf('web-1')).toMatch(/^now-\d{8}T\d{6}Z-[0-9a-z]{4} CVE-2026-1$/);
      expect([await askedOf('web-2'), await askedOf('db-1')]).toEqual([undefined, undefined]);
      expect((await run('nodes', 'web-1')).stdout).toMatch(/ requested +<none>$/m);
    });

    it('follows the two marks with --wait: taken up, and done with another boot ID', async () => {
      const following = run('reboot', 'web-1', '--wait');
      await eventually(async () => (await askedOf('web-1')) !== undefined);
      const request = await askedOf('web-1');
      const asked: Need = { kind: 'request', sinceMs: Date.now(), packages: [], request };
      await record('web-1', { ...draining, need: asked });
      const lastReboot = { bootId: 'boot-2', atMs: Date.now(), judged: true };
      await record('web-1', { phase: 'verifying', need: asked, requestHandled: request, lastReboot });
      await record('web-1', { requestHandled: request, lastReboot });
      const { status, stdout } = await following;
      expect([status, stdout]).toEqual([0, 'node/web-1 annotated\nnode/web-1 rebooted: the boot ID is boot-2\n']);
    });

    it('gives up at its timeout with status 1, and says what is in the way', async () => {
      await record('web-1', { ...blocked, need });
      const { status, stderr } = await run('reboot', 'web-1', '--wait', '--timeout', '1s');
      expect(status).toBe(1);
      expect(stderr).toMatch(
        /not done within 1 s.*\nnode\/web-1 has not taken up the request; .*reboot\.enabled: true/,
      );
    });
  });

  describe('nodetender lock', () => {
    it('lists the slots with their holders', async () => {
      await record('web-1', draining);
      await takeSlot('web-1');
      const { stdout } = await run('lock', 'list');
      expect(stdout).toMatch(/^NAME +POOL +HOLDER +HELD +LAST WRITE +STATE +NEXT\n/);
      expect(stdout).toMatch(/^nodetender-default-0 +default +web-1 +\d+s +\d+s +draining,NotReady +<none>$/m);
      expect((await run('lock', 'list', '-o', 'name', '-n', 'default')).stdout).toBe(`lease/${slotName}\n`);
      expect((await run('lock', 'list', '-n', 'kube-system')).stderr).toMatch(/^No slots found/);
    });

    it('finds one that has lost its label in the namespace that it is told', async () => {
      await takeSlot('web-1');
      await the.cluster.clients.api.merge(`${the.leases}/${slotName}`, { metadata: { labels: null } });
      expect((await run('lock', 'list')).stderr).toMatch(/^No slots found/);
      expect((await run('lock', 'list', '-n', 'default')).stdout).toMatch(/^nodetender-default-0 +default +web-1 /m);
      expect((await run('lock', 'release', slotName, '--yes', '-n', 'default')).status).toBe(0);
      expect(await holder()).toBe('');
    });

    it('releases one after a yes, having said what that risks', async () => {
      await record('web-1', draining);
      await takeSlot('web-1');
      const no = await begin(['lock', 'release', 'web-1'], typing('y')).outcome();
      expect([no.status, await holder()]).toEqual([1, 'web-1']);
      expect(no.stderr).toMatch(/^web-1 holds nodetender-default-0 since/);
      expect(no.stderr).toMatch(
        /the next node of pool default may be drained and rebooted at once, while web-1 is still/,
      );
      const yes = await begin(['lock', 'release', `lease/${slotName}`], typing('yes')).outcome();
      expect([yes.status, yes.stdout]).toEqual([0, `lease/${slotName} released\n`]);
      expect(await holder()).toBe('');
      const again = await run('lock', 'release', slotName, '--yes');
      expect([again.status, again.stdout]).toEqual([0, `lease/${slotName} was free\n`]);
    });

    it('does not release what has changed hands since it was shown', async () => {
      await takeSlot('web-1');
      const answer = async (): Promise<string> => {
        await the.cluster.clients.api.delete(`${the.leases}/${slotName}`);
        await takeSlot('web-2');
        return 'yes';
      };
      const { status, stderr } = await begin(['lock', 'release', 'web-1'], { answer }).outcome();
      expect([status, await holder()]).toEqual([1, 'web-2']);
      expect(stderr).toContain('has changed since it was looked at');
    });
  });

  it.each([
    { args: ['reboot'], says: /reboot what\?/ },
    { args: ['reboot', 'web-1', '--timeout', '3s'], says: /--timeout goes with --wait/ },
    { args: ['reboot', 'web-1', '--reason', 'x'.repeat(201)], says: /at most 200 fit/ },
    { args: ['status', '--watch', '-o', 'json'], says: /--watch does not go with -o json/ },
    { args: ['lock', 'release', 'web-1'], says: /expected --yes: .*two nodes be down at once/ },
  ])('refuses wrong usage with status 2: $args', async ({ args, says }) => {
    const { status, stdout, stderr } = await run(...args);
    expect([status, stdout, await askedOf('web-1')]).toEqual([2, '', undefined]);
    expect(stderr).toMatch(says);
  });

  it('names what is held where somebody means to release something else', async () => {
    await takeSlot('web-1');
    const { status, stderr } = await run('lock', 'release', 'web-2', '--yes');
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(/"web-2" is neither a slot.*: web-1 holds nodetender-/),
    ]);
  });
}
