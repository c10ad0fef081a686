import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually, type RunningCommand } from './command.ts';
import type { CommandHere } from './commandhere.ts';
import { CommandFixture } from './fixture.ts';

let node: CommandFixture;
beforeEach(async () => {
  node = await CommandFixture.create();
});
afterEach(async () => {
  await node.dispose();
});

const app = 'registry.example/shop/app';
const base = 'http: {address: "127.0.0.1:0"}\n';

class Agent {
  readonly command: CommandHere | RunningCommand;
  readonly #url: string;

  /** In the test's own process, and serving its pages. */
  static async start(config: string = base): Promise<Agent> {
    return await Agent.#serving(node.begin(await Agent.#arguments(config)));
  }

  /** The same as a process of its own. */
  static async spawn(config: string = base): Promise<Agent> {
    return await Agent.#serving(node.spawn(await Agent.#arguments(config)));
  }

  static async #arguments(config: string): Promise<readonly string[]> {
    return ['agent', '--config', await node.writeConfig(config)];
  }

  static async #serving(command: CommandHere | RunningCommand): Promise<Agent> {
    await command.untilSaid(/metrics and health are served/);
    const served = command.log().find(({ msg }) => msg === 'metrics and health are served');
    return new Agent(command, `http://127.0.0.1:${String(served?.['port'])}`);
  }

  private constructor(command: CommandHere | RunningCommand, url: string) {
    this.command = command;
    this.#url = url;
  }

  async get(path: string): Promise<{ status: number; text: string }> {
    const response = await fetch(this.#url + path);
    return { status: response.status, text: await response.text() };
  }

  /** The value of a sample, NaN where there is none. */
  async metric(sample: string): Promise<number> {
    const { text } = await this.get('/metrics');
    return Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${sample} `))
        ?.slice(sample.length + 1) ?? NaN,
    );
  }

  async untilReady(): Promise<void> {
    await eventually(async () => (await this.get('/readyz')).status === 200);
  }

  async untilMetric(sample: string, value: number): Promise<void> {
    await eventually(async () => Object.is(await this.metric(sample), value), `${sample} to become ${value}`);
  }

  count(message: string): number {
    return this.messages().filter((msg) => msg === message).length;
  }

  messages(): unknown[] {
    return this.command.log().map(({ msg }) => msg);
  }
}

function fill(unused: number): void {
  node.store.addImage({ tags: [`${app}:running`] });
  node.store.createContainer({ image: `${app}:running`, name: 'web' });
  for (let minor = 0; minor < unused; minor += 1) node.store.addImage({ tags: [`${app}:1.${minor}`] });
}

describe('the agent', () => {
  it('starts, says what it found, and stops when asked to', async () => {
    fill(2);
    const agent = await Agent.spawn();
    await agent.untilReady();
    await agent.untilMetric('nodetender_images{verdict="keep",reason="in-use"}', 1);
    expect(await agent.metric('nodetender_runtime_up')).toBe(1);
    expect(await agent.metric('nodetender_config_valid')).toBe(1);
    expect((await agent.get('/healthz')).text).toBe('ok\n');
    agent.command.signal('SIGTERM');
    expect((await agent.command.outcome()).status).toBe(0);
    expect(agent.messages()).toEqual(
      expect.arrayContaining([
        'agent starts',
        'configuration in force',
        'image history',
        'container runtime',
        'agent stopped',
      ]),
    );
  });

  it('cleans now on SIGUSR1, logs each image with its reason, and counts', async () => {
    fill(3);
    await node.rememberImages(9);
    const agent = await Agent.spawn();
    await agent.untilReady();
    agent.command.signal('SIGUSR1');
    await agent.untilMetric('nodetender_runs_total{trigger="signal",outcome="done"}', 1);
    expect(await agent.metric('nodetender_images_removed_total{reason="unused"}')).toBe(3);
    await agent.untilMetric('nodetender_images{verdict="remove",reason="unused"}', NaN);
    expect([...node.store.images.values()].map(({ tags }) => tags)).toEqual([[`${app}:running`]]);
    const removed = agent.command.log().filter(({ msg }) => msg === 'image removed');
    expect(removed).toHaveLength(3);
    expect(removed[0]).toMatchObject({
      trigger: 'signal',
      code: 'unused',
      reason: expect.stringMatching(/limit 7 days/),
    });
  });

  it('queues at most one more run while one is under way', async () => {
    fill(1);
    await node.rememberImages(9);
    const agent = await Agent.start();
    await agent.untilReady();
    node.server.faults.add({ methods: ['RemoveImage'], latencyMs: 500 });
    for (const answer of [/run began/, /it waits for the one under way/, /one waits already/]) {
      agent.command.signal('SIGUSR1');
      await agent.command.untilSaid(answer);
    }
    await agent.untilMetric('nodetender_runs_total{trigger="signal",outcome="done"}', 2);
    agent.command.signal('SIGTERM');
    await agent.command.outcome();
    expect(agent.count('run began')).toBe(2);
  });

  it('lets removals under way finish on SIGTERM, keeps its history, and ends with status 0', async () => {
    fill(200);
    await node.rememberImages(9);
    const agent = await Agent.spawn();
    await agent.untilReady();
    node.server.faults.add({ methods: ['RemoveImage'], latencyMs: 500 });
    agent.command.signal('SIGUSR1');
    await eventually(() => node.removeCalls() > 0);
    agent.command.signal('SIGTERM');
    expect((await agent.command.outcome()).status).toBe(0);
    const ended = agent.command.log().find(({ msg }) => msg === 'run ended');
    expect(ended).toMatchObject({ outcome: 'stopped', failed: 0, removed: node.removeCalls() });
    expect(node.store.removals).toHaveLength(node.removeCalls());
    expect(node.store.images.size).toBeGreaterThan(100);
    const { stdout } = await node.run(['images', '-o', 'json']);
    expect(JSON.parse(stdout)).toMatchObject({ history: 'ok' });
  });

  it('takes up a changed configuration while it runs', async () => {
    fill(1);
    await node.rememberImages(9);
    const agent = await Agent.start();
    await agent.untilReady();
    await node.writeConfig(`${base}log: {level: debug}\nimages: {keep: ["${app}:1.*"]}\n`);
    await agent.command.untilSaid(/configuration taken up/);
    agent.command.signal('SIGUSR1');
    await agent.untilMetric('nodetender_images{verdict="keep",reason="keep-rule"}', 1);
    expect(node.store.removals).toEqual([]);
  });

  it('keeps the last good configuration in force when a bad one is written, visibly', async () => {
    fill(1);
    await node.rememberImages(9);
    const agent = await Agent.start(`${base}images: {keep: ["${app}:1.*"]}\n`);
    await agent.untilReady();
    await node.writeConfig(`${base}images: {kep: []}\n`);
    await agent.untilMetric('nodetender_config_valid', 0);
    const refused = agent.command.log().find(({ level }) => level === 'error');
    expect(refused).toMatchObject({
      error: { code: 'config/invalid', message: expect.stringContaining('images.kep') },
    });
    agent.command.signal('SIGUSR1');
    await agent.untilMetric('nodetender_runs_total{trigger="signal",outcome="done"}', 1);
    expect(node.store.removals).toEqual([]);
    await node.writeConfig(base);
    await agent.untilMetric('nodetender_config_valid', 1);
  });

  it('says which changed settings need a restart', async () => {
    const agent = await Agent.spawn();
    await agent.untilReady();
    await node.writeConfig('http: {address: "127.0.0.1:1"}\ncluster: {excludeNamespaces: [lists]}\n');
    agent.command.signal('SIGHUP');
    await agent.command.untilSaid(/need a restart/);
    expect(
      agent.command.log().find(({ msg }) => msg === 'these settings need a restart of the agent')?.['fields'],
    ).toEqual(['http.address', 'cluster.excludeNamespaces']);
  });

  it('starts with what was in force before where it finds a bad configuration, visibly, until that is mended', async () => {
    fill(1);
    await node.rememberImages(9);
    const before = await Agent.start(`${base}images: {keep: ["${app}:1.*"]}\n`);
    await before.untilReady();
    before.command.signal('SIGTERM');
    await before.command.outcome();
    const agent = await Agent.start(`${base}images: {kep: []}\n`);
    await agent.untilMetric('nodetender_config_valid', 0);
    const refused = agent.command.log().find(({ level }) => level === 'error');
    expect(refused).toMatchObject({ error: { message: expect.stringContaining('images.kep') } });
    await agent.untilReady();
    agent.command.signal('SIGUSR1');
    await agent.untilMetric('nodetender_runs_total{trigger="signal",outcome="done"}', 1);
    expect(node.store.removals).toEqual([]);
    await node.writeConfig(base);
    await agent.untilMetric('nodetender_config_valid', 1);
  });

  it('does not begin with a bad configuration where none of before is known', async () => {
    const config = await node.writeConfig('images: {minUnused: soon}');
    const { status, stderr } = await node.run(['agent', '--config', config]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/images\.minUnused/);
  });

  it('waits for a runtime that is not there yet, and says so', async () => {
    await node.server.stop();
    const agent = await Agent.start();
    await eventually(async () => (await agent.get('/readyz')).text.startsWith('container runtime: no socket at'));
    expect((await agent.get('/readyz')).status).toBe(503);
    expect((await agent.get('/healthz')).status).toBe(200);
    expect(await agent.metric('nodetender_runtime_up')).toBe(0);
    await node.server.start();
    await agent.untilReady();
    expect(await agent.metric('nodetender_runtime_up')).toBe(1);
  });

  it('does a run that was asked for before the runtime was there', async () => {
    await node.server.stop();
    const agent = await Agent.start();
    agent.command.signal('SIGUSR1');
    await agent.command.untilSaid(/it waits until the container runtime is reached/);
    expect(agent.count('run began')).toBe(0);
    await node.server.start();
    await agent.untilMetric('nodetender_runs_total{trigger="signal",outcome="done"}', 1);
  });

  it('stops at once while it waits for the runtime', async () => {
    await node.server.stop();
    const agent = await Agent.spawn();
    await agent.command.untilSaid(/not reached/);
    agent.command.signal('SIGINT');
    expect((await agent.command.outcome()).status).toBe(0);
  });

  it('asks nothing of the runtime when it is scraped', async () => {
    fill(1);
    const agent = await Agent.start();
    await agent.untilMetric('nodetender_history_images', 2);
    const before = node.server.faults.calls.length;
    for (let times = 0; times < 20; times += 1) await agent.get('/metrics');
    expect(node.server.faults.calls.length).toBe(before);
  });

  it('cannot begin on an address that is taken, and says which field', async () => {
    const agent = await Agent.start();
    const served = agent.command.log().find(({ msg }) => msg === 'metrics and health are served');
    const config = join(node.directory, 'second.yaml');
    await writeFile(config, `http: {address: "127.0.0.1:${String(served?.['port'])}"}`);
    const { status, stderr } = await node.spawn(['agent', '--config', config]).outcome();
    expect(status).toBe(2);
    expect(stderr).toMatch(/^error: http\.address 127\.0\.0\.1:\d+ cannot be listened on: .*EADDRINUSE/);
  });

  it('refuses an endpoint that is none, instead of waiting for it', async () => {
    const { status, stderr } = await node.run([
      'agent',
      '--runtime-endpoint',
      'tcp://1.2.3.4:5',
      '--config',
      await node.writeConfig(base),
    ]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^error: runtime endpoint "tcp:\/\/1\.2\.3\.4:5": expected a Unix socket/);
  });

  it('starts with a damaged history: sets it aside, says so, and removes nothing', async () => {
    fill(2);
    await node.rememberImages(9);
    const path = join(node.stateDirectory, 'history.json');
    await writeFile(path, (await readFile(path, 'utf8')).slice(0, -20));
    const agent = await Agent.start();
    await agent.untilReady();
    agent.command.signal('SIGUSR1');
    await agent.untilMetric('nodetender_runs_total{trigger="signal",outcome="done"}', 1);
    expect(node.store.removals).toEqual([]);
    expect(agent.messages()).toContain('image history lost');
    expect((await readdir(node.stateDirectory)).some((name) => name.includes('corrupt'))).toBe(true);
  });

  it('brings its runs through a restart of the runtime', async () => {
    fill(3);
    await node.rememberImages(9);
    const agent = await Agent.start();
    await agent.untilReady();
    await node.server.restart();
    agent.command.signal('SIGUSR1');
    await agent.untilMetric('nodetender_runs_total{trigger="signal",outcome="done"}', 1);
    expect(node.store.removals).toHaveLength(3);
  });

  it('makes room on a disk too full for its own log', async () => {
    fill(3);
    await node.rememberImages(9);
    const agent = node.spawnOnFullDisk(['agent', '--config', await node.writeConfig('http: {address: ""}')]);
    await eventually(() => node.server.faults.calls.some(({ method }) => method === 'ListContainers'));
    agent.signal('SIGUSR1');
    await eventually(() => node.store.removals.length === 3);
    agent.signal('SIGTERM');
    expect((await agent.outcome()).status).toBe(0);
  });
});
