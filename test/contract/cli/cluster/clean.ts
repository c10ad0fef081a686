import { describe, expect, it } from 'vitest';
import { eventually } from '../command.ts';
import { type CommandsSetting, cleaned } from './setting.ts';

/** `nodetender clean` on nodes. */
export function describeClean(the: CommandsSetting): void {
  const { begin, run, spawn, createNode, annotate, report, requestOn, createControl, clean } = the;

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
      const command = spawn(['clean', '-l', 'pool=web', '--wait']);
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
      await the.cluster.clients.api.delete('/api/v1/nodes/web-1');
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
      await the.cluster.restart();
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
      const command = spawn(['clean', '--node', 'web-1', '--wait']);
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

    it('says what pauses everything', async () => {
      await createControl('kube-system');
      await run('pause', '--reason', 'incident 4711');
      const { stderr } = await run('clean', '--node', 'web-1');
      expect(stderr).toBe(
        'note: the request waits, cleaning is paused by configmap/nodetender-control in kube-system: incident 4711\n',
      );
    });

    it('asks those that exist, and fails, where a name is nobody’s', async () => {
      const { status, stdout, stderr } = await run('clean', '--node', 'web-9', '--node', 'web-1');
      expect([status, stdout]).toEqual([1, 'node/web-1 annotated\n']);
      expect(stderr).toContain('nodes "web-9" not found');
    });

    it('says which permission is missing, and asks nobody', async () => {
      await the.cluster.limit('reader');
      const user = the.cluster.clients.user({ commonName: 'reader' });
      const reader = await the.cluster.clients.kubeconfigFile('reader', user);
      const { status, stdout, stderr } = await run('clean', '--kubeconfig', reader, '--node', 'web-1', '--wait');
      expect([status, stdout]).toEqual([1, '']);
      expect(stderr).toMatch(/^error: patch nodes web-1: .*forbidden.*Grant the verb "patch" on nodes/);
      expect((await run('nodes', '--kubeconfig', reader, '-o', 'name', '--all')).stdout).toContain('node/web-1\n');
    });
  });
}
