/** The addresses of a test cluster, all of them in network namespaces of its own. */
export const bridgeAddress = '172.31.77.1';

/** The Service `kubernetes`, whose address the API server has itself: no kube-proxy has to send anybody to it. */
export const apiAddress = '10.96.0.1';

/** What a node of the cluster is called in its network; numbers from 1. */
export function addressesOf(number: number): { readonly node: string; readonly pods: string; readonly mac: string } {
  return { node: `172.31.77.${10 + number}`, pods: `10.244.${number}.0/24`, mac: mac(10 + number) };
}

export const bridgeMac = mac(1);

/** Locally administered. */
function mac(last: number): string {
  return `02:00:00:4d:00:${last.toString(16).padStart(2, '0')}`;
}
