import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The files of a service account. */
export interface ServiceAccountFiles {
  readonly token: string;
  readonly 'ca.crt': string;
  readonly namespace: string;
}

/** Where the kubelet mounts them in every container. */
const mountPoint = '/var/run/secrets/kubernetes.io/serviceaccount';

/** A service account's folder as the kubelet keeps it: all files change at once, by a link that is moved. */
export class ServiceAccountMount {
  readonly #folder: string;
  #files: ServiceAccountFiles;
  #generation = 0;

  private constructor(folder: string, files: ServiceAccountFiles) {
    this.#folder = folder;
    this.#files = files;
  }

  static async create(files: ServiceAccountFiles): Promise<ServiceAccountMount> {
    const mount = new ServiceAccountMount(await mkdtemp(join(tmpdir(), 'nodetender-account-')), files);
    await mount.rotate({});
    for (const name of Object.keys(files)) await symlink(join('..data', name), join(mount.#folder, name));
    return mount;
  }

  get token(): string {
    return this.#files.token;
  }

  async rotate(changed: Partial<ServiceAccountFiles>): Promise<void> {
    this.#files = { ...this.#files, ...changed };
    const before = `..${this.#generation}`;
    this.#generation += 1;
    const now = `..${this.#generation}`;
    await mkdir(join(this.#folder, now));
    for (const [name, content] of Object.entries(this.#files)) await writeFile(join(this.#folder, now, name), content);
    await symlink(now, join(this.#folder, '..data_tmp'));
    await rename(join(this.#folder, '..data_tmp'), join(this.#folder, '..data'));
    await rm(join(this.#folder, before), { recursive: true, force: true });
  }

  /** A command line that runs another with this mounted; it becomes that program, with its process ID. */
  command(program: readonly string[]): string[] {
    // /run is a file system of its own: the host's may have no such folder.
    const script = `mount -t tmpfs tmpfs /run && mkdir -p ${mountPoint} && mount --bind "$0" ${mountPoint} && exec "$@"`;
    return ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, this.#folder, ...program];
  }

  async dispose(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}
