import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type CommandsSetting } from './setting.ts';

/** Which cluster the commands speak to, and what they refuse. */
export function describeUsage(the: CommandsSetting): void {
  const { run, spawn, requestOn, holdOf } = the;

  describe('the kubeconfig', () => {
    it('is the one of --kubeconfig, with the context of --context', async () => {
      const two = JSON.parse(await readFile(the.kubeconfig, 'utf8')) as {
        contexts: object[];
        'current-context': string;
      };
      const broken = { name: 'broken', context: { cluster: 'gone', user: 'test' } };
      const file = join(the.cluster.clients.folder, 'two.kubeconfig');
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
      const { status, stderr } = await spawn(['nodes'], { KUBECONFIG: '/nonexistent' }).outcome();
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
}
