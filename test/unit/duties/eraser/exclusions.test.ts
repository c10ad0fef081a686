import { describe, expect, it } from 'vitest';

import type { ConfigMapObject } from '../../../../agent/cluster/objects.ts';
import { ClusterError } from '../../../../agent/cluster/errors.ts';
import type { KubernetesObject, KubernetesPort, Resource, Scope, WatchEvent } from '../../../../agent/cluster/port.ts';
import { messageOf } from '../../../../agent/errors.ts';
import { Exclusions } from '../../../../agent/duties/eraser/exclusions.ts';
import { VirtualClock } from '../../../emulators/clock.ts';
import { StateDirectory } from '../../../emulators/state-directory.ts';

type Event = WatchEvent<ConfigMapObject>;

/** ConfigMaps of two namespaces behind a port that a test fills. */
class ConfigMaps {
  readonly objects = new Map<string, ConfigMapObject>();
  reachable = true;
  /** A namespace whose ConfigMaps may not be read. */
  forbidden: string | undefined;
  heardMs = 0;
  #version = 1;
  readonly #waiting = new Set<{
    readonly scope: Scope;
    readonly push: (event: Event) => void;
    readonly end: () => void;
  }>();

  set(namespace: string, name: string, json: string | undefined): void {
    this.#version += 1;
    const key = `${namespace}/${name}`;
    const resourceVersion = String(this.#version);
    const metadata = { namespace, name, uid: `${key} uid`, resourceVersion };
    const before = this.objects.get(key);
    const object = { metadata, data: { 'list.json': json ?? '' } } as ConfigMapObject;
    if (json === undefined) this.objects.delete(key);
    else this.objects.set(key, object);
    const type = json === undefined ? 'deleted' : before === undefined ? 'added' : 'modified';
    for (const { scope, push } of this.#waiting) if (scope.namespace === namespace) push({ type, object });
  }

  /** Ends the watches of a namespace; the next are refused while it is forbidden. */
  cut(namespace: string): void {
    for (const { scope, end } of this.#waiting) if (scope.namespace === namespace) end();
  }

  get port(): Pick<KubernetesPort, 'list' | 'watch' | 'lastHeardMs'> {
    const list = async <T extends KubernetesObject, V>(_: Resource<T>, scope: Scope, project: (object: T) => V) => {
      if (scope.namespace === this.forbidden) throw new ClusterError('cluster/forbidden', 'not granted');
      if (!this.reachable) throw new ClusterError('cluster/unavailable', 'away');
      const found = [...this.objects.values()].filter(({ metadata }) => metadata.namespace === scope.namespace);
      return { items: found.map((one) => project(one as unknown as T)), resourceVersion: String(this.#version) };
    };
    return {
      list,
      watch: (_, scope, __, options) => this.#watch(scope, options?.signal) as never,
      lastHeardMs: () => this.heardMs,
    };
  }

  async *#watch(scope: Scope, signal: AbortSignal | undefined): AsyncIterable<Event> {
    if (scope.namespace === this.forbidden) throw new ClusterError('cluster/forbidden', 'not granted');
    const queue: Event[] = [{ type: 'opened' }];
    let isCut = false;
    let wake = (): void => undefined;
    const push = (event: Event): void => {
      queue.push(event);
      wake();
    };
    const end = (): void => {
      isCut = true;
      wake();
    };
    const watcher = { scope, push, end };
    this.#waiting.add(watcher);
    const isOver = (): boolean => isCut || signal?.aborted === true;
    signal?.addEventListener('abort', () => wake());
    while (!isOver()) {
      yield* queue.splice(0);
      if (queue.length > 0 || isOver()) continue;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    this.#waiting.delete(watcher);
  }
}

class World {
  readonly clock = new VirtualClock();
  readonly cluster = new ConfigMaps();
  readonly directory = new StateDirectory();
  namespaces = ['nodetender', 'kube-system', 'nodetender'];
  readonly told: string[] = [];
  readonly health: string[] = [];
  readonly saving: string[] = [];
  #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  async start(): Promise<Exclusions> {
    this.#stop = new AbortController();
    const exclusions = await Exclusions.open({
      port: this.cluster.port,
      namespaces: this.namespaces,
      directory: '/state',
      onProblem: (configMap, problem) => {
        const inForce = problem?.hasLastGood === true ? ' (last good content in force)' : '';
        this.told.push(`${configMap}: ${problem === undefined ? 'solved' : `${problem.why}${inForce}`}`);
      },
      onHealth: (namespace, problem) => {
        const when = problem?.wasRead === true ? ' after it was read' : '';
        this.health.push(`${namespace}: ${problem === undefined ? 'followed' : `${problem.error.code}${when}`}`);
      },
      onSaveProblem: (error) => this.saving.push(error === undefined ? 'saved again' : messageOf(error)),
      clock: this.clock,
      random: () => 0.5,
      fileSystem: this.directory,
    });
    this.#running = exclusions.run(this.#stop.signal);
    await this.clock.advance(0);
    await this.clock.advance(0);
    return exclusions;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.clock.run(this.#running);
  }

  async set(namespace: string, name: string, json: string | undefined): Promise<void> {
    this.cluster.set(namespace, name, json);
    await this.clock.advance(0);
    await this.clock.advance(0);
  }
}

function inForce(exclusions: Exclusions): string[] | string {
  const current = exclusions.current();
  return current.known ? current.rules.map(({ text }) => text).sort() : current.why;
}

const unread = 'exclusion lists (ConfigMaps labelled eraser.sh/exclude.list=true) not read yet:';

const keeping = (...excluded: string[]): string => JSON.stringify({ excluded });

describe('exclusion lists', () => {
  it('are in force from both namespaces, live', async () => {
    const world = new World();
    world.cluster.set('kube-system', 'a', keeping('alpine'));
    const exclusions = await world.start();
    expect(inForce(exclusions)).toEqual(['alpine']);
    await world.set('nodetender', 'b', keeping('nginx'));
    expect(inForce(exclusions)).toEqual(['alpine', 'nginx']);
    await world.set('nodetender', 'b', keeping('redis'));
    await world.set('kube-system', 'a', undefined);
    expect(inForce(exclusions)).toEqual(['redis']);
    await world.set('default', 'c', keeping('busybox'));
    expect(inForce(exclusions)).toEqual(['redis']);
    await world.stop();
  });

  it('that were never read leave everything where it is', async () => {
    const world = new World();
    world.cluster.reachable = false;
    const exclusions = await world.start();
    expect(inForce(exclusions)).toBe(`${unread} namespace nodetender (away), namespace kube-system (away)`);
    world.cluster.reachable = true;
    await world.clock.advance(60_000);
    expect(inForce(exclusions)).toEqual([]);
    await world.stop();
  });

  it('of a namespace that may not be read are told, and leave everything where it is', async () => {
    const world = new World();
    world.cluster.forbidden = 'kube-system';
    const exclusions = await world.start();
    expect(world.health).toEqual(['kube-system: cluster/forbidden']);
    expect(inForce(exclusions)).toBe(`${unread} namespace kube-system (not granted)`);
    world.cluster.forbidden = undefined;
    await world.clock.advance(60_000);
    expect(world.health).toEqual(['kube-system: cluster/forbidden', 'kube-system: followed']);
    expect(inForce(exclusions)).toEqual([]);
    await world.stop();
  });

  it('that break keep their last good content, and are told once', async () => {
    const world = new World();
    world.cluster.set('nodetender', 'a', keeping('alpine'));
    const exclusions = await world.start();
    await world.set('nodetender', 'a', '{');
    await world.set('nodetender', 'a', '{');
    expect(inForce(exclusions)).toEqual(['alpine']);
    expect(world.told).toEqual([
      expect.stringMatching(/^nodetender\/a: list\.json: .* \(last good content in force\)$/),
    ]);
    await world.set('nodetender', 'a', keeping('nginx'));
    expect([inForce(exclusions), world.told[1]]).toEqual([['nginx'], 'nodetender/a: solved']);
    await world.stop();
  });

  it('that are broken from the beginning leave everything where it is until they are mended or deleted', async () => {
    const world = new World();
    world.cluster.set('nodetender', 'a', '{"excluded": [');
    world.cluster.set('nodetender', 'b', keeping('alpine'));
    const exclusions = await world.start();
    expect(inForce(exclusions)).toContain('nodetender/a');
    expect(world.told).toEqual([expect.not.stringContaining('in force')]);
    await world.set('nodetender', 'a', undefined);
    expect(inForce(exclusions)).toEqual(['alpine']);
    await world.stop();
  });

  it('outlive a restart: their last good content is in force when they broke meanwhile', async () => {
    const world = new World();
    world.cluster.set('nodetender', 'a', keeping('alpine'));
    world.cluster.set('nodetender', 'b', keeping('nginx'));
    await world.start();
    await world.stop();
    world.cluster.reachable = false;
    const exclusions = await world.start();
    world.cluster.set('nodetender', 'a', '{');
    world.cluster.set('nodetender', 'b', undefined);
    world.cluster.reachable = true;
    await world.clock.advance(60_000);
    expect(inForce(exclusions)).toEqual(['alpine']);
    expect(world.told).toEqual([expect.stringContaining('in force')]);
    await world.stop();
  });

  it('made while the agent was down are read before anything goes: what was saved says nothing of them', async () => {
    const world = new World();
    world.cluster.set('nodetender', 'a', keeping('alpine'));
    await world.start();
    await world.stop();
    world.cluster.set('kube-system', 'b', keeping('nginx'));
    world.cluster.forbidden = 'kube-system';
    const exclusions = await world.start();
    expect(inForce(exclusions)).toBe(`${unread} namespace kube-system (not granted)`);
    world.cluster.forbidden = undefined;
    await world.clock.advance(60_000);
    expect(inForce(exclusions)).toEqual(['alpine', 'nginx']);
    await world.stop();
  });

  it('are saved where another namespace is not read: what broke later has its last good content after a restart', async () => {
    const world = new World();
    world.cluster.forbidden = 'kube-system';
    world.cluster.set('nodetender', 'a', keeping('alpine'));
    await world.start();
    await world.stop();
    world.cluster.set('nodetender', 'a', '{');
    world.cluster.forbidden = undefined;
    const exclusions = await world.start();
    expect(inForce(exclusions)).toEqual(['alpine']);
    await world.stop();
  });

  it('saved for a namespace that is no longer asked for are out of force', async () => {
    const world = new World();
    world.cluster.set('kube-system', 'a', keeping('alpine'));
    await world.start();
    await world.stop();
    world.namespaces = ['nodetender'];
    const exclusions = await world.start();
    expect(inForce(exclusions)).toEqual([]);
    await world.stop();
  });

  it('may have changed without our knowing once their namespace cannot be followed, and only then', async () => {
    const world = new World();
    const exclusions = await world.start();
    world.cluster.heardMs = 60_000;
    await world.clock.advance(60_000);
    expect(exclusions.unheard(0)).toEqual([]);
    world.cluster.forbidden = 'kube-system';
    world.cluster.cut('kube-system');
    await world.clock.advance(60_000);
    world.cluster.heardMs = 120_000;
    expect(exclusions.unheard(59_000)).toEqual(['namespace kube-system (not granted)']);
    expect(exclusions.unheard(61_000)).toEqual([]);
    expect(world.health).toEqual(['kube-system: cluster/forbidden after it was read']);
    world.cluster.forbidden = undefined;
    await world.clock.advance(60_000);
    expect(exclusions.unheard(61_000)).toEqual([]);
    await world.stop();
  });

  it('whose file is damaged must be read anew, and the damage is told', async () => {
    const world = new World();
    world.directory.files.set('/state/exclusions.json', '{"format":"nodetender/exclusions"');
    world.cluster.reachable = false;
    const exclusions = await world.start();
    expect(inForce(exclusions)).toContain('not read yet');
    expect(exclusions.lost).toContain('exclusions.json.corrupt');
    expect(world.told).toEqual([]);
    await world.stop();
  });

  it('stay in force where the state directory cannot be written, which is told once', async () => {
    const world = new World();
    world.directory.refuses = 'EROFS';
    world.cluster.set('nodetender', 'a', keeping('alpine'));
    const exclusions = await world.start();
    expect(inForce(exclusions)).toEqual(['alpine']);
    await world.set('nodetender', 'a', keeping('nginx'));
    expect(world.saving).toEqual([expect.stringContaining('EROFS')]);
    world.directory.refuses = undefined;
    await world.set('nodetender', 'a', keeping('redis'));
    expect(world.saving[1]).toBe('saved again');
    await world.stop();
  });
});
