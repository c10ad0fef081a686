import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { helmComponents, kubernetesComponents } from './components.ts';
import { chart } from './helm.ts';
import type { ControlPlane } from './kubernetes.ts';

const execute = promisify(execFile);
const nodetender = fileURLToPath(new URL('../../scripts/nodetender', import.meta.url));
const published = 'oci://ghcr.io/nodetender/charts/nodetender';
const DEADLINE_MS = 120_000;

/** A shell in a folder of its own, of an administrator who types what a page says. The chart is the one of this checkout. */
export class PageShell {
  readonly folder: string;
  readonly #kubeconfig: string;

  private constructor(folder: string, kubeconfig: string) {
    this.folder = folder;
    this.#kubeconfig = kubeconfig;
  }

  static async open({ clients }: ControlPlane): Promise<PageShell> {
    const folder = join(clients.folder, 'shell');
    await mkdir(folder);
    return new PageShell(folder, await clients.kubeconfigFile('shell'));
  }

  /** What the line writes, errors included. Rejects where it fails, with what it said. */
  async type(line: string): Promise<string> {
    const functions = [
      `helm() { ${helmComponents(4)} "$@"; }`,
      `kubectl() { ${kubernetesComponents().kubectl} "$@"; }`,
      `nodetender() { ${nodetender} "$@"; }`,
    ];
    const script = [...functions, `{ ${line.replaceAll(published, chart)}; } 2>&1`].join('\n');
    try {
      const env = { PATH: '/usr/bin:/bin', HOME: this.folder, KUBECONFIG: this.#kubeconfig };
      return (await execute('bash', ['-c', script], { env, cwd: this.folder, timeout: DEADLINE_MS })).stdout;
    } catch (error) {
      const { stdout } = error as { stdout?: string };
      throw new Error(`${line}\n${stdout}`, { cause: error });
    }
  }

  /** A chart of these templates, in a folder of its name. */
  async writeChart(name: string, templates: Readonly<Record<string, string>>): Promise<void> {
    const folder = join(this.folder, name);
    await mkdir(join(folder, 'templates'), { recursive: true });
    await writeFile(join(folder, 'Chart.yaml'), `apiVersion: v2\nname: ${name}\nversion: 1.0.0\n`);
    for (const [file, text] of Object.entries(templates)) await writeFile(join(folder, 'templates', file), text);
  }
}
