import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { nodeEnvironment, nodeFlags } from '../../scripts/bundle.ts';
import { type AgentImage, agentImage } from '../harness/agentimage.ts';
import { Containerd } from '../harness/containerd.ts';
import { eventually } from '../harness/eventually.ts';
import { type ArchivedImage, readArchive } from '../harness/ociarchive.ts';
import { type Pod, runPod } from '../harness/pods.ts';

const MEBIBYTE = 1024 * 1024;

let image: AgentImage;
beforeAll(async () => {
  image = await agentImage();
});

describe('the image', () => {
  let read: ArchivedImage;
  beforeAll(async () => {
    read = await readArchive(image.archive);
  });

  const ownFiles = () => read.layers.slice(image.baseLayers).flatMap(({ files }) => files);

  it('is at most 5 MB without its base, as it lies on a node', () => {
    const bytes = ownFiles().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    expect(bytes).toBeGreaterThan(MEBIBYTE);
    expect(bytes).toBeLessThanOrEqual(5e6);
  });

  it('runs the agent as root on Node, with the measured options of V8 and without a shell', () => {
    expect(read.config.config).toMatchObject({
      User: '0:0',
      Entrypoint: ['/nodejs/bin/node', ...nodeFlags, '/opt/nodetender/nodetender.cjs'],
      Cmd: ['agent'],
    });
    const environment = Object.entries(nodeEnvironment).map(([name, value]) => `${name}=${value}`);
    expect(read.config.config.Env).toEqual(expect.arrayContaining(environment));
    expect(read.config.config.StopSignal ?? 'SIGTERM').toBe('SIGTERM');
  });

  it('names version, commit, licence and source', () => {
    expect(read.config.config.Labels).toMatchObject({
      'org.opencontainers.image.title': 'nodetender',
      'org.opencontainers.image.version': image.version,
      'org.opencontainers.image.revision': image.revision,
      'org.opencontainers.image.licenses': 'Apache-2.0',
      'org.opencontainers.image.source': 'https://github.com/nodetender/nodetender',
    });
  });

  it('adds only files that root owns, everybody may read and nobody may write', () => {
    const all = ownFiles().filter(({ mode }) => mode.startsWith('-'));
    const files = all.filter(({ path }) => path.startsWith('opt/'));
    const nsenter = ['usr/bin/nsenter', 'usr/lib/libpcre2-8.so.0', 'usr/lib/libselinux.so.1'];
    expect(
      all
        .filter(({ path }) => !path.startsWith('opt/'))
        .map(({ path }) => path)
        .toSorted(),
    ).toEqual(nsenter);
    expect(all.filter(({ mode, owner }) => mode.includes('w') || owner !== '0/0')).toEqual([]);
    expect(files.map(({ path }) => path).toSorted()).toEqual(
      [
        'LICENSE',
        'cri.proto',
        'kubeconfig.cjs',
        'kubeconfig.cjs.LEGAL.txt',
        'nodetender.cjs',
        'nodetender.cjs.LEGAL.txt',
      ].map((name) => `opt/nodetender/${name}`),
    );
    expect(files.filter(({ mode, owner }) => mode !== '-r--r--r--' || owner !== '0/0')).toEqual([]);
    const directories = ownFiles().filter(({ mode }) => !mode.startsWith('-'));
    expect(directories.filter(({ mode }) => !/^dr[w-]xr-xr-x$/.test(mode))).toEqual([]);
  });
});

describe('a container of the image, confined as the chart has it', () => {
  let containerd: Containerd;
  let pod: Pod;
  let logs: string;
  beforeAll(async () => {
    containerd = await Containerd.launch('2.x');
    await containerd.ctr('images', 'import', '--local', image.archive);
    await eventually('CRI lists the image', async () =>
      (await containerd.cri.listImages()).some(({ repo_tags }) => repo_tags.includes(image.reference)),
    );
    const { config } = await runPod(containerd, 'unused');
    logs = join(containerd.folder, 'logs');
    await mkdir(logs);
    const sandbox = { ...config, name: 'agent', uid: 'agent', logDirectory: logs };
    pod = { config: sandbox, sandboxId: await containerd.cri.runSandbox(sandbox) };
  });
  afterAll(async () => await containerd?.destroy());

  async function start(
    name: string,
    options: { command?: string[]; args?: string[]; hostPaths?: Record<string, string> },
  ): Promise<string> {
    const container = { name, image: image.reference, confined: true, logFile: `${name}.log`, ...options };
    const id = await containerd.cri.createContainer(pod.sandboxId, pod.config, container);
    await containerd.cri.startContainer(id);
    return id;
  }
  const log = async (name: string): Promise<string> => await readFile(join(logs, `${name}.log`), 'utf8');
  const exited = async (id: string): Promise<boolean> =>
    (await containerd.cri.containerState(id)) === 'CONTAINER_EXITED';

  it('says its version', async () => {
    const id = await start('version', { args: ['--version'] });
    await eventually('it ends', async () => await exited(id), 60_000);
    expect(await log('version')).toContain(`nodetender ${image.version} (${image.revision})`);
    expect(await containerd.cri.exitCode(id)).toBe(0);
  });

  it('has an nsenter that runs, for commands on the host', async () => {
    const id = await start('nsenter', { command: ['nsenter', '--version'] });
    await eventually('it ends', async () => await exited(id), 60_000);
    expect(await log('nsenter')).toContain('nsenter from util-linux');
    expect(await containerd.cri.exitCode(id)).toBe(0);
  });

  it('serves as PID 1, and ends with 0 within seconds of SIGTERM', async () => {
    const state = join(containerd.folder, 'agent-state');
    await mkdir(state);
    const socket = containerd.endpoint.slice('unix://'.length);
    const id = await start('agent', {
      hostPaths: { '/run/containerd/containerd.sock': socket, '/var/lib/nodetender': state },
    });
    await eventually(
      'it has reached the runtime',
      async () => (await log('agent')).includes('"msg":"container runtime"'),
      60_000,
    );
    const asked = Date.now();
    await containerd.cri.stopContainer(id, 60);
    const tookMs = Date.now() - asked;
    expect(await containerd.cri.exitCode(id)).toBe(0);
    expect(tookMs).toBeLessThan(10_000);
  });
});
