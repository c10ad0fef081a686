import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { encodeLastClean, encodeStatus, type LastClean, type NodeStatus } from '../../../agent/cluster/records.ts';
import type { Clients } from '../../harness/clients.ts';
import { eventually, type Outcome, RunningCommand } from './command.ts';

/** An API server that commands are tried on. */
export interface ClusterUnderTest {
  readonly clients: Clients;
  /** The command as a program and its first arguments; the bundle where left out. */
  readonly program?: readonly string[];
  /** What somebody may do who may get, list and watch nodes and nothing else. */
  limit(user: string): Promise<void>;
  /** Goes away with all its connections, and comes back with all its objects. */
  restart(): Promise<void>;
  dispose(): Promise<void>;
}

type Annotations = Readonly<Record<string, string | undefined>>;

const idle: NodeStatus = {
  version: '1.2.3',
  state: 'idle',
  images: 120,
  imageBytes: 1024 ** 3,
  diskUsedPercent: 61,
  nextRunAt: null,
  waiting: null,
};

const cleaned: LastClean = {
  request: null,
  trigger: 'annotation',
  dryRun: false,
  startedAt: new Date().toISOString(),
  durationSeconds: 4,
  outcome: 'done',
  error: null,
  removed: 12,
  failed: 0,
  skipped: 0,
  kept: {},
  estimatedFreedBytes: 3 * 1024 ** 3,
  measuredFreedBytes: 2 * 1024 ** 3,
  images: [],
};

/** What the commands that take a kubeconfig do, whatever stands behind it. Agents are played by the tests' own hands. */
export function describeClusterCommands(name: string, start: () => Promise<ClusterUnderTest>): void {
  describe(`the commands on ${name}`, () => {
    let cluster: ClusterUnderTest;
    let kubeconfig: string;
    let commands: RunningCommand[] = [];

    beforeAll(async () => {
      cluster = await start();
      kubeconfig = await cluster.clients.kubeconfigFile('person');
    });
    afterAll(async () => {
      await cluster.dispose();
    });
    beforeEach(async () => {
      await createNode('web-1', { pool: 'web' });
      await createNode('web-2', { pool: 'web' });
      await createNode('db-1', { pool: 'db' });
      await report('web-1');
      await report('web-2');
      await report('db-1');
    });
    afterEach(async () => {
      for (const command of commands) await command.dispose();
      commands = [];
      for (const node of ['web-1', 'web-2', 'db-1', 'virtual'])
        await cluster.clients.api.delete(`/api/v1/nodes/${node}`);
      for (const namespace of ['kube-system', 'default']) {
        await cluster.clients.api.delete(`/api/v1/namespaces/${namespace}/configmaps/nodetender-control`);
      }
    });

    function begin(args: readonly string[], env: Record<string, string> = {}): RunningCommand {
      const options = cluster.program === undefined ? {} : { program: cluster.program };
      const command = new RunningCommand(args, { env: { KUBECONFIG: kubeconfig, ...env }, ...options });
      commands.push(command);
      return command;
    }

    async function run(...args: string[]): Promise<Outcome> {
      return await begin(args).outcome();
    }

    async function createNode(node: string, labels: Record<string, string> = {}): Promise<void> {
      await cluster.clients.api.create('/api/v1/nodes', {
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name: node, labels },
      });
    }

    /** As a person or an agent does. */
    async function annotate(node: string, values: Readonly<Record<string, string | null>>): Promise<void> {
      const annotations = Object.fromEntries(
        Object.entries(values).map(([key, value]) => [`nodetender.dev/${key}`, value]),
      );
      await cluster.clients.api.merge(`/api/v1/nodes/${node}`, { metadata: { annotations } });
    }

    async function report(node: string, status: Partial<NodeStatus> = {}): Promise<void> {
      await annotate(node, { status: encodeStatus({ ...idle, ...status }) });
    }

    async function annotationsOf(path: string): Promise<Annotations> {
      const { metadata } = (await cluster.clients.api.get(path)) as { metadata: { annotations?: Annotations } };
      return metadata.annotations ?? {};
    }

    async function requestOn(node: string): Promise<string | undefined> {
      return (await annotationsOf(`/api/v1/nodes/${node}`))['nodetender.dev/clean'];
    }

    async function holdOf(node: string): Promise<string | undefined> {
      return (await annotationsOf(`/api/v1/nodes/${node}`))['nodetender.dev/hold'];
    }

    async function pauseIn(namespace: string): Promise<string | undefined> {
      const annotations = await annotationsOf(`/api/v1/namespaces/${namespace}/configmaps/nodetender-control`);
      return annotations['nodetender.dev/pause'];
    }

    async function createControl(namespace: string): Promise<void> {
      await cluster.clients.api.create(`/api/v1/namespaces/${namespace}/configmaps`, {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'nodetender-control' },
      });
    }

    /** Plays the agent: takes up the request that is there, and is done with it. */
    async function clean(node: string, result: Partial<LastClean> = {}): Promise<string> {
      let request = '';
      await eventually(async () => {
        request = (await requestOn(node)) ?? '';
        return request !== '';
      }, `a request on ${node}`);
      await annotate(node, { 'clean-handled': request });
      await annotate(node, { 'last-clean': encodeLastClean({ ...cleaned, request, ...result }) });
      return request;
    }

    describe('nodetender nodes', () => {
      it('has a line for each node, with what its agent says', async () => {
        await createNode('virtual');
        await annotate('web-1', { 'last-clean': encodeLastClean(cleaned) });
        await annotate('db-1', { hold: 'disk copy' });
        const { status, stdout, stderr } = await run('nodes');
        expect(status).toBe(0);
        const [title, ...lines] = stdout.trimEnd().split('\n');
        expect(title).toMatch(/^NAME +AGENT +STATE +LAST CLEAN +IMAGES +REMOVED +FREED +DISK +HOLD$/);
        expect(lines.map((line) => line.split(/ +/)[0])).toEqual(['db-1', 'virtual', 'web-1', 'web-2']);
        expect(lines[0]).toMatch(/^db-1 +1\.2\.3 +idle,NotReady +<none> +120 +<none> +<none> +61% +disk copy$/);
        expect(lines[2]).toMatch(/^web-1 +1\.2\.3 +idle,NotReady +\d+s +120 +12 +2 GiB +61% +<none>$/);
        expect(stderr).toBe('\n4 nodes, 1 without an agent, 1 held\n');
      });

      it('takes names and label selectors', async () => {
        expect((await run('nodes', 'web-2', 'node/db-1', '-o', 'name')).stdout).toBe('node/db-1\nnode/web-2\n');
        expect((await run('nodes', '-l', 'pool=web', '-o', 'name')).stdout).toBe('node/web-1\nnode/web-2\n');
        expect((await run('nodes', '--selector', 'pool notin (web)', '-o', 'name')).stdout).toBe('node/db-1\n');
      });

      it('gives programs the records of the agents, as JSON and as YAML', async () => {
        await annotate('web-1', { 'last-clean': encodeLastClean(cleaned), hold: 'disk copy' });
        const { stdout } = await run('nodes', 'web-1', '-o', 'json');
        const document = JSON.parse(stdout) as object;
        expect(document).toEqual({
          server: expect.stringContaining(cluster.clients.server),
          takenAt: expect.stringMatching(/Z$/),
          paused: null,
          nodes: [
            {
              name: 'web-1',
              ready: false,
              hold: 'disk copy',
              requested: null,
              status: idle,
              lastClean: cleaned,
              problems: [],
            },
          ],
        });
        const yaml = (await run('nodes', 'web-1', '-o', 'yaml')).stdout;
        expect(yaml).toMatch(/^nodes:\n {2}- name: web-1\n/m);
        expect(yaml).toMatch(/^ {6}removed: 12$/m);
      });

      it('says when all agents pause, and what it cannot read', async () => {
        await createControl('kube-system');
        await run('pause', '--reason', 'incident 4711');
        await annotate('web-1', { status: '{"version":7}' });
        const { stdout, stderr } = await run('nodes', 'web-1');
        expect(stdout).toMatch(/^web-1 +<none> +unreadable/m);
        expect(stderr).toContain('cleaning is paused everywhere: incident 4711\n');
        expect(stderr).toMatch(/node\/web-1: annotation nodetender\.dev\/status cannot be read: version: /);
      });

      it('prints what is there, and fails, where a name is nobody’s', async () => {
        const { status, stdout, stderr } = await run('nodes', 'web-1', 'web-9', '-o', 'name');
        expect([status, stdout]).toEqual([1, 'node/web-1\n']);
        expect(stderr).toBe('error: get nodes web-9: nodes "web-9" not found\n');
      });

      it('goes on with a line for each change until interrupted', async () => {
        const command = begin(['nodes', '--watch', '-l', 'pool=web']);
        await command.untilSaid(/^web-2 /m);
        await report('web-1', { state: 'cleaning' });
        await command.untilSaid(/^web-1 +1\.2\.3 +cleaning,NotReady/m);
        command.signal('SIGINT');
        const { status, stdout } = await command.outcome();
        expect(status).toBe(130);
        expect(stdout.match(/^NAME/gm)).toHaveLength(1);
        expect(stdout.match(/^web-1 /gm)).toHaveLength(2);
        expect(stdout.match(/^web-2 /gm)).toHaveLength(1);
      });
    });

    describe('nodetender clean on nodes', () => {
      it('asks for one run on each, by a new value each time', async () => {
        const { status, stdout } = await run('clean', '--node', 'web-1', '--node', 'node/web-2');
        expect([status, stdout.split('\n').sort()]).toEqual([0, ['', 'node/web-1 annotated', 'node/web-2 annotated']]);
        const first = await requestOn('web-1');
        expect(first).toMatch(/^\d{8}T\d{6}Z-[0-9a-z]{4}$/);
        expect(await requestOn('web-2')).toBe(first);
        expect(await requestOn('db-1')).toBeUndefined();
        await run('clean', '--node', 'web-1');
        expect(await requestOn('web-1')).not.toBe(first);
      });

      it('asks for a dry run', async () => {
        await run('clean', '--dry-run', '--all');
        expect(await requestOn('db-1')).toMatch(/^dry-run-/);
      });

      it('leaves out, of a selector, nodes that are held or have no agent, and says so', async () => {
        await createNode('virtual', { pool: 'web' });
        await annotate('web-2', { hold: 'disk copy' });
        const { status, stdout, stderr } = await run('clean', '-l', 'pool=web');
        expect([status, stdout]).toEqual([0, 'node/web-1 annotated\n']);
        expect(stderr).toContain('node/web-2 left out: held (disk copy)\n');
        expect(stderr).toContain('node/virtual left out: no agent has reported there\n');
        expect([await requestOn('web-2'), await requestOn('virtual')]).toEqual([undefined, undefined]);
      });

      it('asks a node that is named in any case', async () => {
        await annotate('web-2', { hold: 'disk copy' });
        expect((await run('clean', '--node', 'web-2')).stdout).toBe('node/web-2 annotated\n');
      });

      it('follows with --wait until every node is done, and says what each did', async () => {
        const command = begin(['clean', '-l', 'pool=web', '--wait']);
        await clean('web-2');
        await command.untilSaid(/^node\/web-2 cleaned: 12 images removed in 4\.0 s, free space changed by \+2 GiB$/m);
        await clean('web-1', { removed: 0, skipped: 1 });
        const { status, stdout, stderr } = await command.outcome();
        expect([status, stderr]).toEqual([0, '']);
        expect(stdout).toContain('node/web-1 cleaned: 0 images removed, 1 left in 4.0 s\n');
      });

      it('tells why a node waits, and goes on when it no longer does', async () => {
        const command = begin(['clean', '--node', 'web-1', '--wait']);
        await eventually(async () => (await requestOn('web-1')) !== undefined);
        await report('web-1', { state: 'waiting', waiting: 'node web-1 is cordoned and its pods leave' });
        await command.untilSaid(/^node\/web-1 waits: node web-1 is cordoned and its pods leave$/m);
        await report('web-1');
        await clean('web-1', { dryRun: true });
        expect((await command.outcome()).stdout).toMatch(/^node\/web-1 would remove 12 images, 3 GiB by listed size$/m);
      });

      it.each([
        { why: 'the run failed', result: { outcome: 'failed', error: 'no socket' }, says: 'failed: no socket' },
        { why: 'images would not go', result: { failed: 2 }, says: 'cleaned: 12 images removed, 2 failed' },
        { why: 'the run was stopped', result: { outcome: 'stopped' }, says: 'stopped: 12 images removed' },
      ])('fails with status 1 when $why', async ({ result, says }) => {
        const command = begin(['clean', '--node', 'web-1', '--wait']);
        await clean('web-1', result);
        const { status, stdout } = await command.outcome();
        expect(status).toBe(1);
        expect(stdout).toContain(`node/web-1 ${says}`);
      });

      it('fails when the node goes away or another request takes the place of this one', async () => {
        const command = begin(['clean', '--node', 'web-1', '--node', 'web-2', '--wait']);
        await eventually(
          async () => (await requestOn('web-1')) !== undefined && (await requestOn('web-2')) !== undefined,
        );
        await cluster.clients.api.delete('/api/v1/nodes/web-1');
        await annotate('web-2', { clean: 'mine' });
        const { status, stdout } = await command.outcome();
        expect(status).toBe(1);
        expect(stdout).toContain('node/web-1 will not clean: the node is gone\n');
        expect(stdout).toContain('node/web-2 will not clean: a later request took its place\n');
      });

      it('goes on waiting when the API server has been away', async () => {
        const command = begin(['clean', '--node', 'web-1', '--wait']);
        await command.untilSaid(/annotated/);
        await report('web-1', { state: 'waiting', waiting: 'nothing in particular' });
        await command.untilSaid(/waits/);
        await cluster.restart();
        await clean('web-1');
        const { status, stdout } = await command.outcome();
        expect([status, stdout]).toEqual([0, expect.stringContaining('node/web-1 cleaned: 12 images removed')]);
      });

      it('gives up at its timeout, and says who has not done what', async () => {
        const { status, stdout, stderr } = await run('clean', '--node', 'web-1', '--wait', '--timeout', '1s');
        expect([status, stdout]).toEqual([1, 'node/web-1 annotated\n']);
        expect(stderr).toBe(
          'error: not done within 1 s: 1 of 1 node. The requests stand; nodetender nodes shows them\nnode/web-1 has not taken up the request\n',
        );
      });

      it('stops waiting when interrupted; the request stands', async () => {
        const command = begin(['clean', '--node', 'web-1', '--wait']);
        await command.untilSaid(/annotated/);
        command.signal('SIGINT');
        expect((await command.outcome()).status).toBe(130);
        expect(await requestOn('web-1')).toMatch(/Z-/);
      });

      it('gives programs the results as JSON', async () => {
        const command = begin(['clean', '--node', 'web-1', '--wait', '-o', 'json']);
        const request = await clean('web-1');
        const { stdout } = await command.outcome();
        expect(JSON.parse(stdout)).toEqual({
          request,
          nodes: [{ name: 'web-1', state: 'done', why: null, result: { ...cleaned, request } }],
        });
      });

      it('says that everything is paused', async () => {
        await createControl('kube-system');
        await run('pause', '--reason', 'incident 4711');
        const { stderr } = await run('clean', '--node', 'web-1');
        expect(stderr).toBe('note: cleaning is paused everywhere (incident 4711): the request waits\n');
      });

      it('asks those that exist, and fails, where a name is nobody’s', async () => {
        const { status, stdout, stderr } = await run('clean', '--node', 'web-9', '--node', 'web-1');
        expect([status, stdout]).toEqual([1, 'node/web-1 annotated\n']);
        expect(stderr).toContain('nodes "web-9" not found');
      });

      it('says which permission is missing, and asks nobody', async () => {
        await cluster.limit('reader');
        const user = cluster.clients.user({ commonName: 'reader' });
        const reader = await cluster.clients.kubeconfigFile('reader', user);
        const { status, stdout, stderr } = await run('clean', '--kubeconfig', reader, '--node', 'web-1', '--wait');
        expect([status, stdout]).toEqual([1, '']);
        expect(stderr).toMatch(/^error: patch nodes web-1: .*forbidden.*Grant the verb "patch" on nodes/);
        expect((await run('nodes', '--kubeconfig', reader, '-o', 'name', '--all')).stdout).toContain('node/web-1\n');
      });
    });

    describe('nodetender hold and resume', () => {
      it('holds nodes with a reason, and resumes them', async () => {
        expect(await run('hold', 'web-1', '--reason', 'disk copy')).toEqual({
          status: 0,
          stdout: 'node/web-1 held\n',
          stderr: '',
        });
        expect(await holdOf('web-1')).toBe('disk copy');
        expect((await run('resume', 'web-1')).stdout).toBe('node/web-1 resumed\n');
        expect(await holdOf('web-1')).toBeUndefined();
        expect(await run('resume', 'web-1')).toMatchObject({ status: 0, stdout: 'node/web-1 was not held\n' });
      });

      it('leaves the reason of somebody else, unless told to replace it', async () => {
        await annotate('web-1', { hold: 'disk copy' });
        const again = await run('hold', 'web-1', '--reason', 'mine');
        expect([again.status, again.stdout]).toEqual([0, 'node/web-1 already held: disk copy\n']);
        expect(await holdOf('web-1')).toBe('disk copy');
        await run('hold', 'web-1', '--reason', 'mine', '--overwrite');
        expect(await holdOf('web-1')).toBe('mine');
      });

      it('tells when, where nobody tells why', async () => {
        await run('hold', '-l', 'pool=web');
        expect(await holdOf('web-1')).toMatch(/^by hand, 20\d\d-.*Z$/);
        expect([await holdOf('web-2'), await holdOf('db-1')]).toEqual([await holdOf('web-1'), undefined]);
      });

      it('takes every node, and what -o name has printed', async () => {
        await run('hold', '--all', '--reason', 'x');
        expect([await holdOf('web-1'), await holdOf('db-1')]).toEqual(['x', 'x']);
        const names = (await run('nodes', '-l', 'pool=web', '-o', 'name')).stdout.trim().split('\n');
        await run('resume', ...names);
        expect([await holdOf('web-1'), await holdOf('db-1')]).toEqual([undefined, 'x']);
      });
    });

    describe('nodetender pause and resume', () => {
      it('finds the ConfigMap that the agents watch, and marks and unmarks it', async () => {
        await createControl('kube-system');
        const { status, stdout, stderr } = await run('pause', '--reason', 'incident 4711');
        expect([status, stdout]).toEqual([0, 'configmap/nodetender-control paused\n']);
        expect(stderr).toContain('nodetender resume --namespace kube-system');
        expect(await pauseIn('kube-system')).toBe('incident 4711');
        expect((await run('pause', '--reason', 'mine')).stdout).toBe(
          'configmap/nodetender-control already paused: incident 4711\n',
        );
        expect((await run('resume')).stdout).toBe('configmap/nodetender-control resumed\n');
        expect(await pauseIn('kube-system')).toBeUndefined();
        expect((await run('resume')).stdout).toBe('configmap/nodetender-control was not paused\n');
      });

      it('guesses no namespace: a pause that no agent sees would look like one', async () => {
        const { status, stdout, stderr } = await run('pause');
        expect([status, stdout]).toEqual([2, '']);
        expect(stderr).toMatch(/no namespace has a configmap\/nodetender-control.*--namespace/);
        expect((await run('pause', '-n', 'kube-system')).stdout).toBe('configmap/nodetender-control paused\n');
        expect(await pauseIn('kube-system')).toMatch(/^by hand, /);
      });

      it('lets a person choose between two releases', async () => {
        await createControl('kube-system');
        await createControl('default');
        const { status, stderr } = await run('pause');
        expect(status).toBe(2);
        expect(stderr).toMatch(/in several namespaces: (default, kube-system|kube-system, default)/);
        await run('pause', '-n', 'default');
        expect([await pauseIn('default'), await pauseIn('kube-system')]).toEqual([expect.any(String), undefined]);
      });
    });

    describe('the kubeconfig', () => {
      it('is the one of --kubeconfig, with the context of --context', async () => {
        const two = JSON.parse(await readFile(kubeconfig, 'utf8')) as { contexts: object[]; 'current-context': string };
        const broken = { name: 'broken', context: { cluster: 'gone', user: 'test' } };
        const file = join(cluster.clients.folder, 'two.kubeconfig');
        await writeFile(
          file,
          JSON.stringify({ ...two, contexts: [...two.contexts, broken], 'current-context': 'broken' }),
        );
        expect((await run('nodes', '--kubeconfig', file)).status).toBe(1);
        expect((await run('nodes', '--kubeconfig', file, '--context', 'test', '-o', 'name')).stdout).toContain('web-1');
        const nowhere = await run('nodes', '--kubeconfig', file, '--context', 'elsewhere');
        expect([nowhere.status, nowhere.stderr]).toEqual([1, expect.stringMatching(/no context "elsewhere"/)]);
      });

      it('is missed by name', async () => {
        const { status, stderr } = await begin(['nodes'], { KUBECONFIG: '/nonexistent' }).outcome();
        expect([status, stderr]).toEqual([1, expect.stringMatching(/^error: no kubeconfig at \/nonexistent/)]);
      });
    });

    it.each([
      { args: ['clean', '--node', 'web-1', 'alpine:3'], says: /ImageList/ },
      { args: ['clean', '--node', 'web-1', '--all'], says: /one of them alone/ },
      { args: ['clean', '--all', '--min-unused', '3d'], says: /--min-unused is for this node alone/ },
      { args: ['clean', '--wait'], says: /--wait goes with --node/ },
      { args: ['clean', '--all', '--timeout', '3s'], says: /--timeout goes with --wait/ },
      { args: ['clean', '-l', ''], says: /--selector is empty/ },
      { args: ['hold'], says: /hold what\?/ },
      { args: ['hold', 'web-1', '--reason', ' '], says: /Expected a reason/ },
      { args: ['resume', '../web-1'], says: /cannot be the name of a node/ },
      { args: ['nodes', '--watch', '-o', 'json'], says: /--watch does not go with -o json/ },
    ])('refuse wrong usage with status 2, and change nothing: $args', async ({ args, says }) => {
      const { status, stdout, stderr } = await run(...args);
      expect([status, stdout]).toEqual([2, '']);
      expect(stderr).toMatch(says);
      expect([await requestOn('web-1'), await holdOf('web-1')]).toEqual([undefined, undefined]);
    });
  });
}
