import { describe, expect, it } from 'vitest';
import { ClusterError } from '../../../agent/cluster/errors.ts';
import { EventRecorder, type Note } from '../../../agent/cluster/events.ts';
import type { KubernetesPort } from '../../../agent/cluster/port.ts';
import { VirtualClock } from '../../emulators/clock.ts';

const note: Note = {
  regarding: { apiVersion: 'v1', kind: 'Node', name: 'node-1', uid: 'u-1' },
  type: 'Normal',
  reason: 'ImagesCleaned',
  action: 'Clean',
  note: 'Removed 2 images',
  identity: '1',
};

interface Written {
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly eventTime: string;
  readonly note: string;
  readonly regarding: unknown;
}

class Setting {
  readonly clock = new VirtualClock();
  readonly written: Written[] = [];
  readonly lost: string[] = [];
  /** Thrown by the calls to come, in order. */
  readonly failures: Error[] = [];
  calls = 0;
  readonly #stop = new AbortController();
  readonly recorder = this.#newRecorder();

  #newRecorder(): EventRecorder {
    const create = (async (_: unknown, __: unknown, event: Written) => {
      this.calls += 1;
      const failure = this.failures.shift();
      if (failure !== undefined) throw failure;
      if (this.written.some(({ metadata }) => metadata.name === event.metadata.name)) {
        throw new ClusterError('cluster/already-exists', 'there is one');
      }
      this.written.push(event);
      return await Promise.resolve(event);
    }) as unknown as KubernetesPort['create'];
    const onLost = ({ identity }: Note, why: string): void => void this.lost.push(`${identity}: ${why}`);
    const recorder = new EventRecorder({
      port: { create },
      instance: 'node-1',
      clock: this.clock,
      random: () => 0.5,
      onLost,
    });
    void recorder.work(this.#stop.signal);
    return recorder;
  }

  /** The agent's next life. */
  restarted(): EventRecorder {
    return this.#newRecorder();
  }
}

describe('an Event', () => {
  it('is written as events.k8s.io/v1 wants it, about its Node, in the namespace default', async () => {
    const { recorder, clock, written } = new Setting();
    recorder.tell(note);
    await clock.advance(1_000);
    expect(written).toMatchObject([{ note: 'Removed 2 images', regarding: note.regarding, reason: 'ImagesCleaned' }]);
    expect(written[0]?.metadata.namespace).toBe('default');
    expect(written[0]?.metadata.name).toMatch(/^node-1\.[0-9a-f]{16}$/);
    expect(written[0]?.eventTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  });

  it('that is told again is not written again, not even by the next life of the agent', async () => {
    const setting = new Setting();
    const { recorder, clock, written, lost } = setting;
    recorder.tell(note);
    recorder.tell(note);
    await clock.advance(1_000);
    recorder.tell(note);
    await clock.advance(1_000);
    expect(setting.calls).toBe(1);
    setting.restarted().tell(note);
    await clock.advance(3_600_000);
    expect(setting.calls).toBe(2);
    expect(written).toHaveLength(1);
    expect(lost).toEqual([]);
  });

  it('has a name that the API server takes, also for a Node with a long one', async () => {
    const { recorder, clock, written } = new Setting();
    const name = `${'a'.repeat(199)}.${'b'.repeat(50)}`;
    recorder.tell({ ...note, regarding: { ...note.regarding, name } });
    await clock.advance(1_000);
    expect(written[0]?.metadata.name).toMatch(/^a{199}\.[0-9a-f]{16}$/);
  });
});

describe('an Event that cannot be written', () => {
  it('waits until the API server is back', async () => {
    const { recorder, clock, written, failures } = new Setting();
    for (let times = 0; times < 5; times += 1) failures.push(new ClusterError('cluster/unavailable', 'away'));
    recorder.tell(note);
    await clock.advance(60_000);
    expect(written).toHaveLength(1);
  });

  it('because it is not allowed is given up with the reason, and the next is tried', async () => {
    const { recorder, clock, written, failures, lost } = new Setting();
    failures.push(new ClusterError('cluster/forbidden', 'grant create on events'));
    recorder.tell(note);
    recorder.tell({ ...note, identity: '2' });
    await clock.advance(10_000);
    expect(lost).toEqual(['1: grant create on events']);
    expect(written).toHaveLength(1);
  });

  it('because too many wait is lost, and said so', async () => {
    const { recorder, clock, written, lost } = new Setting();
    for (let index = 0; index < 100; index += 1) recorder.tell({ ...note, identity: `${index}` });
    await clock.advance(1_000);
    expect(written.length).toBeLessThanOrEqual(25);
    expect(lost.length).toBeGreaterThanOrEqual(67);
    await clock.advance(600_000);
    expect(written.length + lost.length).toBe(100);
  });

  it('because too many waited is written when it is told again', async () => {
    const { recorder, clock, written } = new Setting();
    const tellAll = (): void => {
      for (let index = 0; index < 40; index += 1) recorder.tell({ ...note, identity: `${index}` });
    };
    tellAll();
    await clock.advance(3_600_000);
    expect(written.length).toBeLessThan(40);
    tellAll();
    await clock.advance(3_600_000);
    expect(new Set(written.map(({ metadata }) => metadata.name)).size).toBe(40);
    expect(written).toHaveLength(40);
  });

  it('because the API server was away for too long is written when it is told again', async () => {
    const { recorder, clock, written, failures, lost } = new Setting();
    for (let times = 0; times < 30; times += 1) failures.push(new ClusterError('cluster/unavailable', 'away'));
    recorder.tell(note);
    await clock.advance(3_600_000);
    expect([written, lost]).toEqual([[], ['1: away']]);
    recorder.tell(note);
    await clock.advance(1_000);
    expect(written).toHaveLength(1);
  });
});
