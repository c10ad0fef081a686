import { describe, expect, it } from 'vitest';
import { type CommandsSetting } from './setting.ts';

/** What keeps agents from cleaning: hold, pause, resume. */
export function describeStops(the: CommandsSetting): void {
  const { run, spawn, annotate, holdOf, pauseIn, createControl } = the;

  describe('nodetender hold and resume', () => {
    it('holds nodes with a reason, and resumes them', async () => {
      expect(await spawn(['hold', 'web-1', '--reason', 'disk copy']).outcome()).toEqual({
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
      const { status, stdout, stderr } = await spawn(['pause', '--reason', 'incident 4711']).outcome();
      expect([status, stdout]).toEqual([0, 'configmap/nodetender-control paused\n']);
      expect(stderr).toBe(
        'agents of namespace kube-system start no cleaning and no reboot on any node until: nodetender resume --namespace kube-system\n',
      );
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
      const made = await run('pause', '-n', 'kube-system');
      expect(made.stdout).toBe('configmap/nodetender-control paused\n');
      expect(made.stderr).toContain('only agents of that namespace see it');
      // It may be the wrong one, then or when it is found again: nothing is said of agents elsewhere.
      const claim = /^agents of namespace kube-system start no cleaning and no reboot on any node until/m;
      expect(made.stderr).toMatch(claim);
      expect(await pauseIn('kube-system')).toMatch(/^by hand, /);
      await run('resume');
      const found = await run('pause');
      expect(found.stderr).not.toContain('note:');
      expect(found.stderr).toMatch(claim);
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
}
