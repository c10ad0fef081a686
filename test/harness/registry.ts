import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';

import { stringify } from 'yaml';

import { CertificateAuthority } from './certificates.ts';
import { registryComponents } from './components.ts';
import { Daemon } from './daemon.ts';
import { digestOf, indexOf, type OciImage } from './imagebase.ts';
import { freePorts } from './ports.ts';

const READY_DEADLINE_MS = 60_000;
const REQUEST_DEADLINE_MS = 60_000;
const manifestTypes = ['index', 'manifest'].map((kind) => `application/vnd.oci.image.${kind}.v1+json`);

/** A manifest or an index, as the registry gives it. */
export interface StoredManifest {
  readonly mediaType: string;
  readonly content: Buffer;
}

/**
 * A registry of images and charts on 127.0.0.1: the reference implementation of OCI's distribution. It speaks TLS as real ones
 * do: not every buildah can push an index without. This process trusts its authority from then on.
 */
export class Registry {
  /** `127.0.0.1:PORT`, as names of images begin. */
  readonly address: string;
  /** Path of the authority's certificate, for SSL_CERT_FILE and the like. */
  readonly authorityFile: string;
  readonly #folder: string;
  readonly #daemon: Daemon;

  private constructor(folder: string, port: number) {
    this.#folder = folder;
    this.address = `127.0.0.1:${port}`;
    this.authorityFile = join(folder, 'ca.crt');
    this.#daemon = new Daemon({
      name: 'registry',
      program: registryComponents(),
      args: ['serve', join(folder, 'config.yaml')],
      log: join(folder, 'registry.log'),
      ready: async () => (await this.#request('')).ok,
      readyDeadlineMs: READY_DEADLINE_MS,
    });
  }

  static async launch(): Promise<Registry> {
    const [port = 0] = await freePorts(1);
    const folder = await mkdtemp(join(tmpdir(), 'nodetender-registry-'));
    const registry = new Registry(folder, port);
    try {
      await registry.#configure();
      await registry.#daemon.start();
      return registry;
    } catch (error) {
      await registry.destroy();
      throw error;
    }
  }

  async destroy(): Promise<void> {
    await this.#daemon.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Stores one image for several architectures, and gives its whole name. */
  async push(repository: string, tag: string, images: readonly OciImage[]): Promise<string> {
    for (const { manifest, config, layer } of images) {
      for (const blob of [config, layer]) await this.#pushBlob(repository, blob);
      await this.#pushManifest(repository, digestOf(manifest), manifest);
    }
    await this.#pushManifest(repository, tag, indexOf(images));
    return `${this.address}/${repository}:${tag}`;
  }

  /** `reference`: a tag or a digest. */
  async manifest(repository: string, reference: string): Promise<StoredManifest> {
    const headers = { accept: manifestTypes.join(', ') };
    const response = await this.#done(await this.#request(`${repository}/manifests/${reference}`, { headers }));
    const mediaType = response.headers.get('content-type') ?? '';
    return { mediaType, content: Buffer.from(await response.arrayBuffer()) };
  }

  async blob(repository: string, digest: string): Promise<Buffer> {
    const response = await this.#done(await this.#request(`${repository}/blobs/${digest}`));
    return Buffer.from(await response.arrayBuffer());
  }

  async #pushBlob(repository: string, content: Buffer): Promise<void> {
    const begun = await this.#done(await this.#request(`${repository}/blobs/uploads/`, { method: 'POST' }));
    const upload = new URL(begun.headers.get('location') ?? '');
    upload.searchParams.set('digest', digestOf(content));
    await this.#done(await this.#request(upload, { method: 'PUT', body: content }));
  }

  async #pushManifest(repository: string, reference: string, content: Buffer): Promise<void> {
    const { mediaType } = JSON.parse(content.toString()) as { mediaType: string };
    const headers = { 'content-type': mediaType };
    await this.#done(
      await this.#request(`${repository}/manifests/${reference}`, { method: 'PUT', headers, body: content }),
    );
  }

  async #request(path: string | URL, init: RequestInit = {}): Promise<Response> {
    const url = new URL(path, `https://${this.address}/v2/`);
    return await fetch(url, { ...init, signal: AbortSignal.timeout(REQUEST_DEADLINE_MS) });
  }

  async #done(response: Response): Promise<Response> {
    if (response.ok) return response;
    throw new Error(`the registry answered ${response.status} to ${response.url}: ${await response.text()}`);
  }

  async #configure(): Promise<void> {
    const authority = new CertificateAuthority('authority of the registry');
    const { certificate, key } = authority.issue({ commonName: 'registry', hosts: ['127.0.0.1'] });
    const file = (name: string): string => join(this.#folder, name);
    const config = {
      version: 0.1,
      log: { level: 'warn' },
      storage: { filesystem: { rootdirectory: file('storage') } },
      http: { addr: this.address, tls: { certificate: file('server.crt'), key: file('server.key') } },
    };
    await writeFile(file('config.yaml'), stringify(config));
    await writeFile(file('server.crt'), certificate);
    await writeFile(file('server.key'), key, { mode: 0o600 });
    await writeFile(this.authorityFile, authority.certificate);
    setDefaultCACertificates([...getCACertificates(), authority.certificate]);
  }
}
