import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { Api } from './api.ts';
import { CertificateAuthority, type Credentials, type Subject } from './certificates.ts';
import { kubeconfigText } from './kubeconfig.ts';

/** What a client shows: a certificate and its key, or a bearer token. */
export type Identity = Credentials | { readonly token: string };

const administrator: Subject = { commonName: 'admin', organizations: ['system:masters'] };

/** The ways into one API server, real or emulated: users, kubeconfigs, requests. */
export class Clients {
  /** https://127.0.0.1:port. */
  readonly server: string;
  /** Signs the server's certificate and the users'. */
  readonly authority = new CertificateAuthority('kubernetes');
  /** An administrator's requests. */
  readonly api: Api;
  /** Where kubeconfig files go. */
  readonly folder: string;
  readonly #apis: Api[] = [];

  constructor(server: string, folder: string) {
    this.server = server;
    this.folder = folder;
    this.api = this.apiOf(this.user(administrator));
  }

  /** A client certificate. Kubernetes knows no users: the name is all there is, and nothing is granted to it at first. */
  user(subject: Subject, validForMs?: number): Credentials {
    return this.authority.issue(subject, validForMs);
  }

  /** The text of a kubeconfig with everything in it; the administrator's when no user is given. */
  kubeconfig(user: Identity = this.user(administrator), namespace?: string): string {
    return kubeconfigText({
      server: this.server,
      certificateAuthority: this.authority.certificate,
      user,
      ...(namespace === undefined ? {} : { namespace }),
    });
  }

  /** The path of a file with that text. */
  async kubeconfigFile(name: string, user?: Identity, namespace?: string): Promise<string> {
    const path = join(this.folder, `${name}.kubeconfig`);
    await writeFile(path, this.kubeconfig(user, namespace), { mode: 0o600 });
    return path;
  }

  /** Requests as somebody else. */
  apiOf(user: Identity): Api {
    const api = new Api({ server: this.server, certificateAuthority: this.authority.certificate, user });
    this.#apis.push(api);
    return api;
  }

  /** Ends the connections of every `Api`. */
  close(): void {
    for (const api of this.#apis) api.close();
  }
}
