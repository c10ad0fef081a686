import type { Credentials } from './certificates.ts';

export interface KubeconfigSpec {
  /** https://host:port, or http:// without a CA. */
  readonly server: string;
  /** PEM. */
  readonly certificateAuthority?: string;
  /** A client certificate, or a bearer token. */
  readonly user: Credentials | { readonly token: string };
  readonly namespace?: string;
}

/** The text of a kubeconfig file with everything in it: JSON, which is YAML too. */
export function kubeconfigText({ server, certificateAuthority, user, namespace }: KubeconfigSpec): string {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'test',
        cluster: {
          server,
          ...(certificateAuthority === undefined ? {} : { 'certificate-authority-data': base64(certificateAuthority) }),
        },
      },
    ],
    users: [
      {
        name: 'test',
        user:
          'token' in user
            ? { token: user.token }
            : { 'client-certificate-data': base64(user.certificate), 'client-key-data': base64(user.key) },
      },
    ],
    contexts: [
      { name: 'test', context: { cluster: 'test', user: 'test', ...(namespace === undefined ? {} : { namespace }) } },
    ],
    'current-context': 'test',
  });
}
