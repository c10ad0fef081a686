import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Api } from './api.ts';
import { type AuditEvent, auditPolicy, parseAuditLog } from './audit.ts';
import type { Subject } from './certificates.ts';
import { Clients } from './clients.ts';
import { kubernetesComponents } from './components.ts';
import { Daemon } from './daemon.ts';
import { kubeconfigText } from './kubeconfig.ts';
import { kubectl } from './kubectl.ts';
import { freePorts } from './ports.ts';

/** About 5 s on an idle machine of two cores; suites share it. */
const READY_DEADLINE_MS = 120_000;

export interface ControlPlaneOptions {
  /** Garbage collection, DaemonSets, the pods of gone nodes, … Another 100 MB and a few seconds. */
  readonly controllerManager?: boolean;
  /** Flags added to kube-controller-manager's. */
  readonly controllerManagerFlags?: readonly string[];
  /** Flags added to kube-apiserver's, or in place of them. */
  readonly apiServerFlags?: readonly string[];
  /** A real kubelet runs pods, which have ServiceAccounts' tokens mounted. */
  readonly kubelets?: boolean;
  /** Where they run, if not on 127.0.0.1. */
  readonly network?: ControlPlaneNetwork;
}

/** A network of its own, with real kubelets in it, which mount ServiceAccounts' tokens. */
export interface ControlPlaneNetwork {
  /** A command line that runs another in that network; it becomes that program. */
  readonly enter: readonly string[];
  /** The API server's address there, where it serves port 443. */
  readonly address: string;
  /** The port of 127.0.0.1 through which the tests reach it. */
  readonly door: number;
}

/** A real etcd and kube-apiserver on 127.0.0.1, with certificates and folders of their own. No node, no scheduler. */
export class ControlPlane {
  /** The folder of everything that is its own. */
  readonly folder: string;
  /** The ways in; the address stays the same through restarts. */
  readonly clients: Clients;
  readonly etcd: Daemon;
  readonly apiServer: Daemon;
  readonly controllerManager: Daemon | undefined;
  readonly #etcdServer: string;
  readonly #serverWithin: string;

  private constructor(folder: string, ports: readonly number[], options: ControlPlaneOptions) {
    const [etcdPort, peerPort, apiPort] = ports;
    const programs = kubernetesComponents();
    const { network } = options;
    const started = (program: string, args: readonly string[]): { program: string; args: readonly string[] } => {
      const [first = '', ...rest] = [...(network?.enter ?? []), program, ...args];
      return { program: first, args: rest };
    };
    this.folder = folder;
    this.clients = new Clients(`https://127.0.0.1:${network?.door ?? apiPort}`, folder);
    this.#serverWithin = network === undefined ? this.clients.server : `https://${network.address}`;
    this.#etcdServer = `http://127.0.0.1:${etcdPort}`;
    this.etcd = new Daemon({
      name: 'etcd',
      ...started(programs.etcd, etcdFlags(folder, this.#etcdServer, `http://127.0.0.1:${peerPort}`)),
      log: join(folder, 'etcd.log'),
      // From another network it cannot be asked; the API server waits for it.
      ready: async () => network !== undefined || (await fetch(`${this.#etcdServer}/health`)).ok,
      readyDeadlineMs: READY_DEADLINE_MS,
    });
    this.apiServer = new Daemon({
      name: 'kube-apiserver',
      ...started(programs.apiServer, [
        ...apiServerFlags(folder, this.#etcdServer),
        ...(network === undefined ? loopbackFlags(apiPort, options.kubelets === true) : networkFlags(network.address)),
        ...(options.apiServerFlags ?? []),
      ]),
      log: join(folder, 'kube-apiserver.log'),
      ready: async () => (await this.api.send('GET', '/readyz')).status === 200,
      readyDeadlineMs: READY_DEADLINE_MS,
    });
    if (options.controllerManager === true) {
      this.controllerManager = new Daemon({
        name: 'kube-controller-manager',
        ...started(programs.controllerManager, [
          ...controllerManagerFlags(folder),
          ...(options.controllerManagerFlags ?? []),
        ]),
        log: join(folder, 'kube-controller-manager.log'),
        // It serves nobody; the first thing that it does for everybody is a ServiceAccount in each namespace.
        ready: async () => {
          const path = '/api/v1/namespaces/default/serviceaccounts/default';
          return (await this.api.send('GET', path)).status === 200;
        },
        readyDeadlineMs: READY_DEADLINE_MS,
      });
    }
  }

  /** From nothing to ready. */
  static async launch(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
    const ports = await freePorts(3);
    const plane = new ControlPlane(await mkdtemp(join(tmpdir(), 'nodetender-')), ports, options);
    try {
      await plane.#writeFiles();
      await plane.etcd.start();
      await plane.apiServer.start();
      await plane.controllerManager?.start();
      return plane;
    } catch (error) {
      await plane.destroy();
      throw error;
    }
  }

  /** An administrator's requests. */
  get api(): Api {
    return this.clients.api;
  }

  /** The text of a kubeconfig of one who runs where the control plane does. */
  kubeconfigWithin(subject: Subject): string {
    const user = this.clients.user(subject);
    return kubeconfigText({
      server: this.#serverWithin,
      certificateAuthority: this.clients.authority.certificate,
      user,
    });
  }

  /**
   * A token as the kubelet puts it into a pod, of a ServiceAccount that exists. With the name of an existing pod of that
   * ServiceAccount the token carries the pod and its node, as admission policies want to see it.
   */
  async serviceAccountToken(
    account: { readonly namespace: string; readonly name: string },
    options: { readonly pod?: string; readonly expirationSeconds?: number } = {},
  ): Promise<string> {
    const bound =
      options.pod === undefined ? {} : { boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: options.pod } };
    const answer = await this.api.create(
      `/api/v1/namespaces/${account.namespace}/serviceaccounts/${account.name}/token`,
      { spec: { ...bound, expirationSeconds: options.expirationSeconds ?? 3600 } },
    );
    return String((answer['status'] as { token?: unknown }).token);
  }

  /** kubectl's standard output, as the administrator. */
  async kubectl(...args: readonly string[]): Promise<string> {
    return await kubectl(this.clients, ...args);
  }

  /**
   * Makes every resourceVersion and continue token given out so far too old, so that it is answered with 410. Compaction
   * alone does not do it: the API server remembers recent changes itself, and forgets them by a restart.
   */
  async forgetHistory(): Promise<void> {
    // A write after whatever a client has seen: otherwise its version is still the newest there is.
    await this.api.merge('/api/v1/namespaces/default', { metadata: { annotations: { 'test/forgotten': nowText() } } });
    await this.compact();
    // Killed: asked politely it waits up to a minute for the watches that are open.
    await this.apiServer.kill();
    await this.apiServer.start();
  }

  /** Drops etcd's history up to now. */
  async compact(): Promise<void> {
    const { header } = (await this.#etcd('/v3/kv/range', { key: encode('/') })) as { header: { revision: string } };
    await this.#etcd('/v3/kv/compaction', { revision: header.revision, physical: true });
  }

  /** Every request answered so far, oldest first, the harness's own included: its user is `admin`. */
  async auditEvents(): Promise<AuditEvent[]> {
    return parseAuditLog(await readFile(join(this.folder, 'audit.log'), 'utf8').catch(() => ''));
  }

  /** Ends everything and removes all of it. Works in any state, and more than once. */
  async destroy(): Promise<void> {
    this.clients.close();
    // Nothing here is worth a graceful end, and an API server that waits for its open watches takes a minute.
    await this.controllerManager?.kill();
    await this.apiServer.kill();
    await this.etcd.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #writeFiles(): Promise<void> {
    const file = (name: string, text: string): Promise<void> =>
      writeFile(join(this.folder, name), text, { mode: 0o600 });
    const hosts = ['127.0.0.1', 'localhost', '10.96.0.1', 'kubernetes.default.svc'];
    const serving = this.clients.authority.issue({ commonName: 'kube-apiserver', hosts });
    const tokens = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    await Promise.all([
      file('ca.crt', this.clients.authority.certificate),
      file('server.crt', serving.certificate),
      file('server.key', serving.key),
      file('tokens.key', tokens.privateKey.export({ type: 'sec1', format: 'pem' })),
      file('tokens.pub', tokens.publicKey.export({ type: 'spki', format: 'pem' })),
      file('audit.json', auditPolicy),
      file('controllers.kubeconfig', this.kubeconfigWithin({ commonName: 'system:kube-controller-manager' })),
    ]);
  }

  /** etcd's own API as JSON, which spares the tests an etcdctl. */
  async #etcd(path: string, body: Record<string, unknown>): Promise<unknown> {
    const answer = await fetch(`${this.#etcdServer}${path}`, { method: 'POST', body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`etcd answered ${answer.status} to ${path}: ${await answer.text()}`);
    return await answer.json();
  }
}

function etcdFlags(folder: string, client: string, peer: string): string[] {
  return [
    `--data-dir=${folder}/etcd`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    // A test that loses power starts again from nothing anyway.
    '--unsafe-no-fsync',
    '--log-level=warn',
  ];
}

function loopbackFlags(port: number | undefined, kubelets: boolean): string[] {
  const addresses = ['--bind-address=127.0.0.1', `--secure-port=${port}`];
  // Pods are made without their ServiceAccount's token volume, which nobody there would mount.
  return kubelets ? addresses : [...addresses, '--disable-admission-plugins=ServiceAccount'];
}

function networkFlags(address: string): string[] {
  return [`--bind-address=${address}`, '--secure-port=443'];
}

function apiServerFlags(folder: string, etcd: string): string[] {
  return [
    `--etcd-servers=${etcd}`,
    '--etcd-compaction-interval=0',
    `--tls-cert-file=${folder}/server.crt`,
    `--tls-private-key-file=${folder}/server.key`,
    `--client-ca-file=${folder}/ca.crt`,
    `--service-account-key-file=${folder}/tokens.pub`,
    `--service-account-signing-key-file=${folder}/tokens.key`,
    '--service-account-issuer=https://kubernetes.default.svc',
    // A token that was asked for ten minutes must end after ten minutes, not after a year.
    '--service-account-extend-token-expiration=false',
    '--service-cluster-ip-range=10.96.0.0/24',
    '--endpoint-reconciler-type=none',
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--allow-privileged=true',
    `--audit-policy-file=${folder}/audit.json`,
    `--audit-log-path=${folder}/audit.log`,
  ];
}

function controllerManagerFlags(folder: string): string[] {
  return [
    `--kubeconfig=${folder}/controllers.kubeconfig`,
    '--leader-elect=false',
    '--secure-port=0',
    '--use-service-account-credentials=true',
    `--service-account-private-key-file=${folder}/tokens.key`,
    `--root-ca-file=${folder}/ca.crt`,
  ];
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64');
}

function nowText(): string {
  return new Date().toISOString();
}
