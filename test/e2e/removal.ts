import { beforeAll, describe, expect, it } from 'vitest';

import { type CommandResult, nodetender } from '../harness/command.ts';
import { eventually } from '../harness/eventually.ts';
import { grant } from '../harness/permissions.ts';
import { type Installation, namespace } from './installation.ts';

const person = 'person';
const DEADLINE_MS = 240_000;

/** The chart goes, and then everything of ours. */
export function removal(installation: () => Installation): void {
  describe('removing it', () => {
    let said: CommandResult;

    beforeAll(async () => {
      const { clients } = installation().cluster.plane;
      await grant(clients, 'personUninstall', { kind: 'User', name: person });
      const kubeconfig = await clients.kubeconfigFile(person, clients.user({ commonName: person }));
      // In the middle of something: one has a slot and a cordon of its own, the other waits.
      const witness = await installation().witness();
      for (const { real } of installation().nodes) await real.wantReboot();
      await eventually(
        'a node is cordoned',
        () => witness.seen.some((one) => one.endsWith(' cordoned') || one.endsWith(' draining')),
        DEADLINE_MS,
      );
      await installation().uninstall();
      await eventually('the agents are gone', async () => (await installation().pods()).length === 0, DEADLINE_MS);
      said = await nodetender('uninstall', '--force', '-n', namespace, '--kubeconfig', kubeconfig);
    });

    it('ends well, and says what stays', () => {
      expect(said).toMatchObject({ status: 0 });
      expect(said.stderr).toContain('kubectl delete crd imagelists.eraser.sh');
    });

    it('leaves nothing of ours on a Node', async () => {
      for (const { name } of installation().nodes) {
        const { metadata, spec, status } = await installation().node(name);
        const keys = [...Object.keys(metadata.labels ?? {}), ...Object.keys(metadata.annotations ?? {})];
        const ours = /nodetender|RebootRequired|RebootPossible/;
        expect(keys.filter((key) => ours.test(key))).toEqual([]);
        expect((spec.taints ?? []).filter(({ key }) => ours.test(key))).toEqual([]);
        expect(status.conditions.filter(({ type }) => ours.test(type))).toEqual([]);
        expect(spec.unschedulable ?? false).toBe(false);
      }
    });

    it('leaves no object of ours, but for the CRD and ImageLists', async () => {
      const { plane } = installation().cluster;
      const kinds =
        'daemonsets,pods,serviceaccounts,configmaps,secrets,leases,roles,rolebindings,clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings';
      const found = await plane.kubectl('get', kinds, '-A', '--no-headers', '-o', 'name');
      const ours = found.split('\n').filter((name) => name.includes('nodetender'));
      // The grants of the test's own person.
      expect(ours.filter((name) => !name.endsWith('nodetender-personUninstall'))).toEqual([]);
      expect(await plane.kubectl('get', 'crd', '-o', 'name')).toContain('imagelists.eraser.sh');
      expect(await plane.kubectl('get', 'imagelists', '-o', 'name')).toContain('imagelist');
    });
  });
}
