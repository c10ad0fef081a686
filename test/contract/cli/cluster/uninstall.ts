import { afterEach, describe, expect, it } from 'vitest';
import type { Need } from '../../../../agent/reboot/state.ts';
import type { Json } from '../../../harness/api.ts';
import type { CommandsSetting } from './setting.ts';

/** `nodetender uninstall`. */
export function describeUninstall(the: CommandsSetting): void {
  const { run, annotate, record, takeSlot, createControl, pauseIn } = the;
  const need: Need = { kind: 'sentinel', sinceMs: Date.now(), packages: [] };
  const podsIn = (namespace: string): string => `/api/v1/namespaces/${namespace}/pods`;
  const agentPod = 'nodetender-x';

  afterEach(async () => {
    const { api } = the.cluster.clients;
    for (const namespace of ['default', 'kube-system']) {
      await api.delete(`${podsIn(namespace)}/${agentPod}`, { gracePeriodSeconds: 0 });
    }
    await api.delete(`${the.leases}/nodetender-imagelist`);
    await api.delete(`${the.leases}/other`);
  });

  /** As the agent does, by the API server's record of who wrote what. */
  const asAgent = '?fieldManager=nodetender';

  async function merge(node: string, body: Json): Promise<void> {
    await the.cluster.clients.api.merge(`/api/v1/nodes/${node}${asAgent}`, body);
  }

  async function node(name: string): Promise<Node> {
    return (await the.cluster.clients.api.get(`/api/v1/nodes/${name}`)) as unknown as Node;
  }

  async function leaseNames(): Promise<string[]> {
    const { items } = (await the.cluster.clients.api.get(the.leases)) as { items: { metadata: { name: string } }[] };
    return items.map(({ metadata }) => metadata.name);
  }

  async function createLease(name: string): Promise<void> {
    const metadata = { name };
    await the.cluster.clients.api.create(the.leases, {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata,
      spec: { holderIdentity: 'web-1' },
    });
  }

  async function setCondition(name: string, type: string): Promise<void> {
    const body = { status: { conditions: [{ type, status: 'True', reason: 'Test', message: '' }] } };
    const options = { contentType: 'application/strategic-merge-patch+json' };
    await the.cluster.clients.api.send('PATCH', `/api/v1/nodes/${name}/status${asAgent}`, body, options);
  }

  /** As a node is that waits for a slot, with every mark. */
  async function makeWait(name: string): Promise<void> {
    await record(name, { phase: 'waiting', need, marks: ['prefer-no-schedule', 'scale-down'], softTaint: 'soft' });
    await merge(name, {
      metadata: { annotations: { 'cluster-autoscaler.kubernetes.io/scale-down-disabled': 'true' } },
      spec: {
        taints: [
          { key: 'soft', effect: 'PreferNoSchedule' },
          { key: 'dedicated', effect: 'NoSchedule' },
        ],
      },
    });
    await annotate(name, { hold: 'disk copy', clean: 'x' });
    await setCondition(name, 'RebootRequired');
    await setCondition(name, 'KernelDeadlock');
  }

  describe('nodetender uninstall', () => {
    it('takes off whatever is ours, and nothing else', async () => {
      await makeWait('web-1');
      await createLease('nodetender-imagelist');
      await createLease('other');
      await createControl('kube-system');
      const { status, stdout, stderr } = await run('uninstall');
      expect([status, stdout.split('\n').toSorted()]).toEqual([
        0,
        [
          '',
          'configmap/nodetender-control deleted',
          'lease/nodetender-imagelist deleted',
          'node/db-1 cleared of 1 annotation',
          'node/web-1 cleared of 1 label, 5 annotations, 1 taint, 1 condition',
          'node/web-2 cleared of 1 annotation',
        ],
      ]);
      expect(stderr).toMatch(/^note: what stays are ImageLists and their CRD .*state directory, /s);
      const { metadata, spec, status: reported } = await node('web-1');
      expect([metadata.labels, metadata.annotations]).toEqual([{ pool: 'web' }, undefined]);
      expect(spec.taints).toEqual([{ key: 'dedicated', effect: 'NoSchedule' }]);
      expect(reported.conditions.map(({ type }) => type)).toEqual(['KernelDeadlock']);
      expect(await leaseNames()).toEqual(['other']);
      expect(await run('uninstall')).toMatchObject({
        status: 0,
        stdout: '',
        stderr: expect.stringMatching(/^Nothing /),
      });
    });

    it('only says it with --dry-run', async () => {
      await makeWait('web-1');
      await createControl('default');
      const { status, stdout } = await run('uninstall', '--dry-run', '-n', 'default');
      expect(status).toBe(0);
      expect(stdout).toMatch(/^node\/web-1 cleared of 1 label, 5 annotations, 1 taint, 1 condition \(dry run\)$/m);
      expect(stdout).toMatch(/^configmap\/nodetender-control deleted \(dry run\)$/m);
      expect((await node('web-1')).metadata.labels).toMatchObject({ 'nodetender.dev/state': 'waiting' });
      expect(await pauseIn('default')).toBeUndefined();
    });

    it('uncordons what its agent has cordoned, and leaves the cordons of others', async () => {
      for (const name of ['web-1', 'web-2', 'db-1']) await merge(name, { spec: { unschedulable: true } });
      await record('web-1', { phase: 'draining', need, cordonedByUs: true });
      await record('web-2', { phase: 'draining', need, cordonedByUs: false });
      await annotate('db-1', { 'reboot-status': '{' });
      await merge('db-1', { metadata: { labels: { 'nodetender.dev/state': 'draining' } } });
      const { status, stdout, stderr } = await run('uninstall', '--force');
      expect([status, stdout]).toEqual([0, expect.stringMatching(/^node\/web-1 uncordoned$/m)]);
      expect(stdout.match(/uncordoned/g)).toHaveLength(1);
      expect(stderr).toMatch(/^note: node\/db-1 stays cordoned: .* cannot be read/m);
      const cordoned = await Promise.all(['web-1', 'web-2', 'db-1'].map(async (name) => (await node(name)).spec));
      expect(cordoned.map(({ unschedulable = false }) => unschedulable)).toEqual([false, true, true]);
    });

    it('refuses while a node is between its cordon and its release', async () => {
      await record('web-1', { phase: 'draining', need, slot: 'nodetender-default-0', cordonedByUs: true });
      await takeSlot('web-1');
      const { status, stdout, stderr } = await run('uninstall');
      expect([status, stdout]).toEqual([1, '']);
      expect(stderr).toMatch(
        /^error: node\/web-1 is in the middle of a reboot \(draining: .*\nnothing is removed; --force/m,
      );
      expect(await leaseNames()).toEqual(['nodetender-default-0']);
      const dry = await run('uninstall', '--dry-run');
      expect([dry.status, dry.stdout]).toEqual([
        1,
        expect.stringContaining('lease/nodetender-default-0 deleted (dry run)'),
      ]);
      const forced = await run('uninstall', '--force');
      expect([forced.status, await leaseNames()]).toEqual([0, []]);
    });

    it.each([
      ['default', []],
      ['kube-system', []],
      ['kube-system', ['-n', 'default']],
    ])('refuses while agents are there, which would write it again: in %s, asked with %j', async (namespace, flags) => {
      const labels = { 'app.kubernetes.io/name': 'nodetender' };
      const containers = [{ name: 'agent', image: 'x' }];
      await the.cluster.clients.api.create(podsIn(namespace), {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: agentPod, labels },
        spec: { containers },
      });
      await annotate('web-1', { hold: 'disk copy' });
      const { status, stdout, stderr } = await run('uninstall', ...flags);
      expect([status, stdout]).toEqual([1, '']);
      expect(stderr).toContain(
        `would write again what is removed: pod/nodetender-x in ${namespace}. Uninstall the chart`,
      );
      expect((await node('web-1')).metadata.annotations).toMatchObject({ 'nodetender.dev/hold': 'disk copy' });
    });
  });
}

interface Node {
  readonly metadata: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: { readonly unschedulable?: boolean; readonly taints?: readonly object[] };
  readonly status: { readonly conditions: readonly { readonly type: string }[] };
}
