import { describe, expect, it } from 'vitest';
import { encodeLastClean } from '../../../../agent/cluster/records.ts';
import { type CommandsSetting, idle, cleaned } from './setting.ts';

/** `nodetender nodes`. */
export function describeNodes(the: CommandsSetting): void {
  const { run, spawn, createNode, annotate, report, createControl } = the;

  describe('nodetender nodes', () => {
    it('has a line for each node, with what its agent says', async () => {
      await createNode('virtual');
      await annotate('web-1', { 'last-clean': encodeLastClean(cleaned) });
      await annotate('db-1', { hold: 'disk copy' });
      const { status, stdout, stderr } = await spawn(['nodes']).outcome();
      expect(status).toBe(0);
      const [title, ...lines] = stdout.trimEnd().split('\n');
      expect(title).toMatch(/^NAME +AGENT +STATE +LAST CLEAN +IMAGES +REMOVED +FREED +DISK +REBOOT +HOLD$/);
      expect(lines.map((line) => line.split(/ +/)[0])).toEqual(['db-1', 'virtual', 'web-1', 'web-2']);
      expect(lines[0]).toMatch(/^db-1 +1\.2\.3 +idle,NotReady +<none> +120 +<none> +<none> +61% +<none> +disk copy$/);
      expect(lines[2]).toMatch(/^web-1 +1\.2\.3 +idle,NotReady +\d+s +120 +12 +2 GiB +61% +<none> +<none>$/);
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
        server: expect.stringContaining(the.cluster.clients.server),
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
            rebootRequested: null,
            reboot: null,
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
      expect(stderr).toContain(
        'cleaning and reboots are paused by configmap/nodetender-control in kube-system: incident 4711\n',
      );
      expect(stderr).toMatch(/node\/web-1: annotation nodetender\.dev\/status cannot be read: version: /);
    });

    it('prints what is there, and fails, where a name is nobody’s', async () => {
      const { status, stdout, stderr } = await run('nodes', 'web-1', 'web-9', '-o', 'name');
      expect([status, stdout]).toEqual([1, 'node/web-1\n']);
      expect(stderr).toBe('error: get nodes web-9: nodes "web-9" not found\n');
    });

    it('goes on with a line for each change until interrupted', async () => {
      const command = spawn(['nodes', '--watch', '-l', 'pool=web']);
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
}
