import { readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodeEnvironment, nodeFlags } from '../../../scripts/bundle.ts';
import { eventually, RunningCommand } from './command.ts';
import { CommandHere } from './commandhere.ts';
import { CommandFixture } from './fixture.ts';

const root = new URL('../../../', import.meta.url);

let node: CommandFixture;
beforeEach(async () => {
  node = await CommandFixture.create();
});
afterEach(async () => {
  await node.dispose();
});

const app = 'registry.example/shop/app';

/** One image in use, `unused` others with tags 1.0, 1.1, … */
function fill(unused: number): void {
  node.store.addImage({ tags: [`${app}:running`], sizeBytes: 5 * 1024 * 1024 });
  node.store.createContainer({
    image: `${app}:running`,
    name: 'web',
    pod: { namespace: 'shop', name: 'web-1', uid: 'u' },
  });
  for (let minor = 0; minor < unused; minor += 1) node.store.addImage({ tags: [`${app}:1.${minor}`], sizeBytes: 1024 });
}

function tags(): string[] {
  return [...node.store.images.values()].flatMap((image) => image.tags).sort();
}

describe('nodetender images', () => {
  it('says for each image whether it stays or goes, and why', async () => {
    fill(1);
    await node.rememberImages(9);
    const { status, stdout, stderr } = await node.spawn(['images']).outcome();
    expect(status).toBe(0);
    expect(stdout).toMatch(/^IMAGE +ID +SIZE +AGE +LAST USE +VERDICT +REASON\n/);
    expect(stdout).toMatch(
      /shop\/app:1\.0 +[0-9a-f]{12} +1 KiB +9d +never +remove +never used, first seen 9 days ago, limit 7 days\n/,
    );
    expect(stdout).toMatch(
      /shop\/app:running +[0-9a-f]{12} +5 MiB +9d +now +keep +container web of pod shop\/web-1 uses it\n/,
    );
    expect(stderr).toContain('2 images: 1 to keep, 1 to remove');
  });

  it('follows the configuration of the agent', async () => {
    fill(1);
    await node.rememberImages(9);
    const config = await node.writeConfig(`images: {keep: ["${app}:1.*"]}`);
    const { stdout } = await node.run(['images', '--config', config, '-o', 'json']);
    const { images } = JSON.parse(stdout) as {
      images: { tags: string[]; verdict: string; reason: { code: string } }[];
    };
    expect(images.find((image) => image.tags.includes(`${app}:1.0`))).toMatchObject({
      verdict: 'keep',
      reason: { code: 'keep-rule' },
    });
  });

  it('gives programs the whole truth as JSON', async () => {
    fill(1);
    await node.rememberImages(9);
    const { stdout, stderr } = await node.run(['images', '--output', 'json'], { columns: 40 });
    const { images, ...source } = JSON.parse(stdout) as Record<string, unknown> & { images: Record<string, unknown>[] };
    expect(source).toEqual({ endpoint: node.server.endpoint, history: 'ok', takenAt: expect.stringMatching(/Z$/) });
    expect(images[0]).toEqual({
      id: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      tags: [`${app}:1.0`],
      digests: [],
      sizeBytes: 1024,
      pinned: false,
      users: [],
      firstSeen: expect.stringMatching(/Z$/),
      lastUsed: null,
      verdict: 'remove',
      reason: { code: 'unused', text: 'never used, first seen 9 days ago, limit 7 days' },
    });
    expect(stderr).toBe('');
  });

  it('says that ages are not known where no agent has kept watch', async () => {
    fill(1);
    const { stdout, stderr } = await node.run(['images']);
    expect(stdout).toMatch(/app:1\.0 .* \? +\? +keep /);
    expect(stderr).toContain('ages are unknown');
  });

  it('prints names alone, one a line, for other programs', async () => {
    fill(2);
    const { stdout } = await node.run(['images', '-o', 'name']);
    expect(stdout).toBe(`${app}:1.0\n${app}:1.1\n${app}:running\n`);
  });

  it('shortens names to the width of the terminal, and never in wide output', async () => {
    node.store.addImage({ tags: [`registry.example/a/very/long/path/to/an/image/that/fits/nowhere:1.0`] });
    const narrow = await node.spawn(['images'], { COLUMNS: '90' }).outcome();
    for (const line of narrow.stdout.trimEnd().split('\n')) expect(line.length).toBeLessThanOrEqual(90);
    expect(narrow.stdout).toContain('…/that/fits/nowhere:1.0 ');
    const wide = await node.run(['images', '-o', 'wide'], { columns: 90 });
    expect(wide.stdout).toContain('registry.example/a/very/long/path/to/an/image/that/fits/nowhere:1.0');
  });

  it('paints verdicts only where that is asked for', async () => {
    fill(1);
    await node.rememberImages(9);
    const escape = '\u001B[';
    const painted = async (env: Record<string, string>): Promise<boolean> =>
      (await node.spawn(['images'], env).outcome()).stdout.includes(escape);
    expect(await painted({})).toBe(false);
    expect(await painted({ FORCE_COLOR: '1' })).toBe(true);
    expect(await painted({ NO_COLOR: '1' })).toBe(false);
  });

  it('ends without an error when the reader closes the pipe', async () => {
    fill(3000);
    const command = node.spawn(['images', '-o', 'json']);
    command.closePipe();
    expect(await command.outcome()).toMatchObject({ status: 0, stderr: '' });
  });

  it('says what to do where no runtime listens', async () => {
    await node.server.stop();
    const { status, stdout, stderr } = await node.spawn(['images']).outcome();
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^error: no socket at unix:.*start it, or name its socket with --runtime-endpoint/);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  it.each([
    ['images', 'Version'],
    ['images', 'ListImages'],
    ['clean', 'Version'],
    ['clean', 'ListImages'],
  ] as const)('can be interrupted while the runtime hangs: %s in %s', async (name, hanging) => {
    node.server.faults.add({ methods: [hanging], hang: true });
    const command = node.spawn([name]);
    await eventually(() => node.server.faults.calls.some(({ method }) => method === hanging));
    command.signal('SIGINT');
    expect(await command.outcome()).toEqual({ status: 130, stdout: '', stderr: '' });
  });

  it('shows what caused an error when asked to', async () => {
    await node.server.stop();
    expect((await node.run(['--verbose', 'images'])).stderr).toMatch(/caused by: .*ENOENT/s);
    expect((await node.spawn(['images'], { NODETENDER_DEBUG: '1' }).outcome()).stderr).toMatch(/caused by: .*ENOENT/s);
  });
});

describe('nodetender clean', () => {
  it('removes what nothing uses and says what it did', async () => {
    fill(3);
    await node.rememberImages(1);
    const { status, stdout, stderr } = await node.spawn(['clean']).outcome();
    expect(status).toBe(0);
    expect(tags()).toEqual([`${app}:running`]);
    expect(stdout.match(/^removed /gm)).toHaveLength(3);
    expect(stderr).toMatch(/3 images removed in [\d.]+ s\n3 KiB by listed size/);
    expect(stderr).toContain('1 image kept: 1 in-use');
  });

  it('removes nothing in a dry run, and says what would go', async () => {
    fill(3);
    await node.rememberImages(1);
    const { status, stdout, stderr } = await node.run(['clean', '--dry-run']);
    expect(status).toBe(0);
    expect(stdout.match(/^would remove /gm)).toHaveLength(3);
    expect(stderr).toContain('3 images would be removed, 3 KiB by listed size; nothing was changed');
    expect(node.store.removals).toEqual([]);
  });

  it('removes what a pattern names and nothing else', async () => {
    fill(3);
    node.store.addImage({ tags: ['registry.example/other:1.0'] });
    await node.rememberImages(1);
    const { status } = await node.run(['clean', `${app}:1.1`, 'registry.example/other:*']);
    expect(status).toBe(0);
    expect(tags()).toEqual([`${app}:1.0`, `${app}:1.2`, `${app}:running`]);
  });

  it('keeps what --keep names, however often it is given', async () => {
    fill(3);
    await node.rememberImages(1);
    await node.run(['clean', '--keep', `${app}:1.0`, '-k', `${app}:1.1`]);
    expect(tags()).toEqual([`${app}:1.0`, `${app}:1.1`, `${app}:running`]);
  });

  it('asks for an age where told to', async () => {
    fill(1);
    await node.rememberImages(3);
    const { stderr } = await node.run(['clean', '--min-unused', '4d']);
    expect(stderr).toContain('0 images removed');
    expect((await node.run(['clean', '--min-unused', '2d'])).stderr).toContain('1 image removed');
  });

  it('looks twice where no agent has kept watch, and removes nothing when it is interrupted meanwhile', async () => {
    fill(1);
    const command = node.begin(['clean']);
    await command.untilSaid(/looking twice, 2 minutes apart/);
    command.signal('SIGINT');
    expect((await command.outcome()).status).toBe(130);
    expect(node.store.removals).toEqual([]);
  });

  it('does not wait with --now', async () => {
    fill(1);
    const { status, stderr } = await node.run(['clean', '--now']);
    expect([status, node.store.removals.length]).toEqual([0, 1]);
    expect(stderr).not.toContain('looking twice');
  });

  it('fails with status 1 when an image would not go, and names it', async () => {
    fill(2);
    await node.rememberImages(1);
    node.server.faults.add({ methods: ['RemoveImage'], times: 1, error: { code: 2, details: 'disk on fire' } });
    const { status, stdout } = await node.run(['clean']);
    expect(status).toBe(1);
    expect(stdout).toMatch(/^failed .*disk on fire/m);
    expect(stdout).toMatch(/^removed /m);
  });

  it('lets removals under way finish when interrupted, and reports', async () => {
    fill(200);
    await node.rememberImages(1);
    node.server.faults.add({ methods: ['RemoveImage'], latencyMs: 300 });
    const command = node.spawn(['clean']);
    await command.untilSaid(/of 200 images done/);
    command.signal('SIGTERM');
    const { status, stderr } = await command.outcome();
    expect(status).toBe(130);
    expect(stderr).toMatch(/images removed, \d+ left in .* s, stopped/);
    const [removed] = /(\d+) images removed/.exec(stderr)?.slice(1) ?? [];
    expect(node.store.removals).toHaveLength(Number(removed));
    expect(node.removeCalls()).toBe(Number(removed));
  });

  it('goes on when nobody reads any more', async () => {
    fill(3);
    await node.rememberImages(1);
    const command = node.spawn(['clean']);
    command.closePipe();
    expect((await command.outcome()).status).toBe(0);
    expect(tags()).toEqual([`${app}:running`]);
  });

  it('goes on when the disk it writes to is full, and fails in the end', async () => {
    fill(130);
    await node.rememberImages(1);
    expect((await node.spawnOnFullDisk(['clean']).outcome()).status).toBe(1);
    expect(tags()).toEqual([`${app}:running`]);
  });

  it('refuses to run beside another run', async () => {
    fill(200);
    await node.rememberImages(1);
    node.server.faults.add({ methods: ['RemoveImage'], hang: true });
    node.spawn(['clean', '--pace', 'fast']);
    await eventually(() => node.removeCalls() > 0);
    const second = await node.run(['clean']);
    expect(second.status).toBe(1);
    expect(second.stderr).toMatch(/^error: a run is under way/);
  });

  it('gives programs its report as JSON', async () => {
    fill(1);
    await node.rememberImages(1);
    const { stdout } = await node.run(['clean', '-o', 'json']);
    expect(JSON.parse(stdout)).toMatchObject({
      trigger: 'command',
      outcome: 'done',
      removed: [{ name: `${app}:1.0`, sizeBytes: 1024 }],
      kept: { 'in-use': 1 },
      estimatedFreedBytes: 1024,
      failed: [],
    });
  });
});

describe('wrong usage', () => {
  it.each([
    { args: ['imges'], says: /unknown command 'imges'\n\(Did you mean images\?\)/ },
    { args: ['clean', '--dryrun'], says: /unknown option '--dryrun'\n\(Did you mean --dry-run\?\)/ },
    { args: ['clean', '--min-unused', 'soon'], says: /Expected a duration such as 30s, 12h or 7d/ },
    { args: ['clean', '--min-unused', '1d', 'repo:*'], says: /--min-unused does not go with patterns/ },
    { args: ['clean', ''], says: /error: / },
    { args: ['clean', '--keep', 'two words'], says: /error: / },
    { args: ['images', '--output', 'xml'], says: /Allowed choices are table, wide, json, name/ },
    { args: ['images', '--runtime-endpoint', 'tcp://1.2.3.4:5'], says: /expected a Unix socket/ },
    { args: ['images', '--config', '/nonexistent/config.yaml'], says: /cannot be read/ },
    { args: [], says: /Usage: nodetender/ },
    { args: ['config'], says: /Usage: nodetender config/ },
  ])('is refused with status 2: nodetender $args', async ({ args, says }) => {
    const { status, stdout, stderr } = await new CommandHere(args).outcome();
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(says);
    expect(stderr).not.toMatch(/^ +at /m);
    expect(node.store.removals).toEqual([]);
  });
});

describe('help that was asked for', () => {
  it.each([[['--help']], [['clean', '--help']], [['help']], [['help', 'clean']]])(
    'ends with status 0: %j',
    async (args) => {
      const { status, stdout } = await new CommandHere(args).outcome();
      expect([status, stdout]).toEqual([0, expect.stringMatching(/^Usage: nodetender/)]);
    },
  );
});

describe('nodetender config', () => {
  it('accepts a valid file', async () => {
    const file = await node.writeConfig('images: {minUnused: 3d}');
    const { status, stdout } = await new CommandHere(['config', 'check', file]).outcome();
    expect([status, stdout]).toEqual([0, `${file} is valid\n`]);
  });

  it('names every offending field of another', async () => {
    const file = await node.writeConfig('images: {minUnused: soon, scedule: {}}');
    const { status, stderr } = await new RunningCommand(['config', 'check', file]).outcome();
    expect(status).toBe(2);
    expect(stderr).toContain('images.minUnused');
    expect(stderr).toMatch(/images\.scedule.*schedule/);
  });

  it('prints the schema as JSON', async () => {
    const { status, stdout } = await new CommandHere(['config', 'schema']).outcome();
    expect([status, JSON.parse(stdout)]).toEqual([0, expect.objectContaining({ type: 'object' })]);
  });
});

describe('the launcher of a checkout', () => {
  it('runs the sources, whatever Node comes first on the path and through a link', async () => {
    const { version } = JSON.parse(await readFile(new URL('package.json', root), 'utf8')) as { version: string };
    await writeFile(join(node.directory, 'node'), '#!/bin/sh\necho "the wrong Node"; exit 9\n', { mode: 0o755 });
    const link = join(node.directory, 'nodetender');
    await symlink(fileURLToPath(new URL('scripts/nodetender', root)), link);
    const PATH = `${node.directory}:${process.env['PATH'] ?? ''}`;
    const { status, stdout } = await new RunningCommand(['--version'], { env: { PATH }, program: [link] }).outcome();
    expect([status, stdout]).toEqual([0, `nodetender ${version} (checkout)\n`]);
  });

  it('gives Node the flags of the container image', async () => {
    const launcher = await readFile(new URL('scripts/nodetender', root), 'utf8');
    expect(launcher).toContain(` ${nodeFlags.join(' ')} `);
    const environment = Object.entries(nodeEnvironment).map(([name, value]) => `${name}=${value}`);
    expect(launcher).toContain(`export ${environment.join(' ')}\n`);
  });

  it('reaches the runtime', async () => {
    fill(1);
    const args = ['images', '-o', 'name', '-r', node.server.endpoint, '--state-dir', node.stateDirectory];
    const { stdout } = await new RunningCommand(args, {
      program: [fileURLToPath(new URL('scripts/nodetender', root))],
    }).outcome();
    expect(stdout).toBe(`${app}:1.0\n${app}:running\n`);
  });
});
