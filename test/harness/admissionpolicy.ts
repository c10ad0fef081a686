import type { Json } from './api.ts';
import type { Clients } from './clients.ts';
import { eventually } from './eventually.ts';
import { renderChart } from './helm.ts';

const group = '/apis/admissionregistration.k8s.io/v1';
const paths = new Map([
  ['ValidatingAdmissionPolicy', `${group}/validatingadmissionpolicies`],
  ['ValidatingAdmissionPolicyBinding', `${group}/validatingadmissionpolicybindings`],
]);

/** JSON is YAML. */
const apply = { contentType: 'application/apply-patch+yaml' };
const own = '/api/v1/namespaces/nodetender';
const aTry = '/apis/coordination.k8s.io/v1/namespaces/nodetender/leases?dryRun=All';

/** Whether a request is the try below, and none of an agent. */
export function isTryOfPolicies({ uri }: { readonly uri: string }): boolean {
  return uri === aTry;
}

/**
 * Gives the cluster the chart's admission policies, and nothing else of the chart, for the ServiceAccount nodetender of the
 * namespace nodetender, which may write Leases; those that are there change, as by an upgrade. Resolves when there are any in
 * force.
 */
export async function installAdmissionPolicies(clients: Clients, values: Json): Promise<void> {
  const { api } = clients;
  for (const object of await renderChart(values)) {
    const path = paths.get(String(object['kind']));
    if (path === undefined) continue;
    const { name } = object['metadata'] as { name: string };
    const answer = await api.send('PATCH', `${path}/${name}?fieldManager=helm`, object, apply);
    if (answer.status > 299) throw new Error(`${name} was answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  }
  // The API server learns of them by watches, in order: last of the binding of those for Leases.
  const { status } = await api.create(`${own}/serviceaccounts/nodetender/token`, { spec: {} });
  const nobody = clients.apiOf({ token: (status as { token: string }).token });
  await eventually('the policies are in force', async () => {
    const answer = await nobody.send('POST', aTry, { metadata: { name: 'nodetender-default-0' } });
    return answer.status === 422 && String(answer.body['message']).includes('its token must name its node');
  });
}
