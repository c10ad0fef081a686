import { describe, expect, it } from 'vitest';
import { type ListRunResult, runList } from '../../../../agent/duties/eraser/listrun.ts';
import type { Policy } from '../../../../agent/images/policy.ts';
import { parseRule } from '../../../../agent/images/rules.ts';
import { EmulatedNode } from '../../../emulators/node.ts';
import { DAY_MS, MINUTE_MS, SECOND_MS, usualPolicy } from '../../images/examples.ts';

const floorMs = 2 * MINUTE_MS;
const name = (text: string): string => `docker.io/library/${text}:1`;

/** An ImageList `*` on a node whose runtime is emulated, on a virtual clock. */
class Setting {
  readonly node: EmulatedNode;
  rules = [parseRule('*')];
  policy: Policy = { ...usualPolicy, minUnusedMs: 0, floorMs };
  readonly withdrawal = new AbortController();
  timeoutMs = 15 * MINUTE_MS;
  runs = 0;
  afterRun = (): void => undefined;

  private constructor(node: EmulatedNode) {
    this.node = node;
  }

  /** With images that were there for ten days. */
  static async with(...images: string[]): Promise<Setting> {
    const setting = new Setting(await EmulatedNode.create());
    setting.pull(...images);
    await setting.node.age(10 * DAY_MS);
    return setting;
  }

  pull(...images: string[]): void {
    for (const image of images) this.node.store.addImage({ tags: [name(image)], sizeBytes: 1_000_000 });
  }

  async start(): Promise<ListRunResult | undefined> {
    const { timeoutMs, node, rules } = this;
    const { signal: withdrawn } = this.withdrawal;
    return await runList(
      { name: 'list', subject: 'a/1', rules, isWanted: () => true, withdrawn },
      {
        timeoutMs,
        clock: node.clock,
        clean: async () => {
          this.runs += 1;
          const report = await node.startRun({ ...this.policy, requested: rules });
          this.afterRun();
          return report;
        },
      },
    );
  }

  async run(): Promise<[outcome: string | undefined, codes: string[]]> {
    const result = await this.node.clock.run(this.start());
    return [result?.outcome, result?.staying.putOff.map(({ code }) => code) ?? []];
  }

  get left(): number {
    return this.node.store.images.size;
  }
}

describe('the run of an ImageList', () => {
  it('waits until an image that was pulled a moment ago is old enough, and removes it', async () => {
    const setting = await Setting.with('old');
    setting.pull('new');
    const startMs = setting.node.clock.monotonicMs();
    expect(await setting.run()).toEqual(['success', []]);
    expect([setting.left, setting.runs]).toEqual([0, 2]);
    expect(setting.node.clock.monotonicMs() - startMs).toBeLessThan(floorMs + 30 * SECOND_MS);
  });

  it('waits for no more than what is missing of the floor', async () => {
    const setting = await Setting.with();
    setting.pull('new');
    await setting.node.age(90 * SECOND_MS);
    const startMs = setting.node.clock.monotonicMs();
    expect(await setting.run()).toEqual(['success', []]);
    expect(setting.node.clock.monotonicMs() - startMs).toBeLessThan(45 * SECOND_MS);
  });

  it('is not held up by what is pulled after it has begun', async () => {
    const setting = await Setting.with('old');
    setting.pull('new');
    setting.afterRun = () => setting.pull(`later-${setting.runs}`);
    expect(await setting.run()).toEqual(['success', []]);
    expect(setting.runs).toBe(2);
  });

  it('goes on while there is budget missing', async () => {
    const setting = await Setting.with('a', 'b', 'c', 'd', 'e');
    setting.policy = { ...setting.policy, budget: { images: 2, bytes: undefined } };
    expect(await setting.run()).toEqual(['success', []]);
    expect([setting.left, setting.runs]).toEqual([0, 3]);
  });

  it('has failed where an image fits into no budget', async () => {
    const setting = await Setting.with('a', 'b');
    setting.policy = { ...setting.policy, budget: { images: undefined, bytes: 10 } };
    expect(await setting.run()).toEqual(['failed', ['over-budget', 'over-budget']]);
    expect(setting.runs).toBe(1);
  });

  it('has failed where a removal that failed a while ago is not tried again yet', async () => {
    const setting = await Setting.with('a');
    const [image] = setting.node.store.images.values();
    setting.node.history.recordFailure(image?.id ?? '', 'the disk is read-only', () => 0.5);
    expect(await setting.run()).toEqual(['failed', ['backing-off']]);
  });

  it('does not wait for longer than the node has', async () => {
    const setting = await Setting.with();
    setting.pull('new');
    setting.timeoutMs = MINUTE_MS;
    expect(await setting.run()).toEqual(['failed', ['just-appeared']]);
    expect(setting.runs).toBe(1);
  });

  it('takes images in use for no failure, and names them', async () => {
    const setting = await Setting.with('used');
    setting.rules = [parseRule('used:1')];
    setting.node.store.createContainer({ image: name('used') });
    const result = await setting.node.clock.run(setting.start());
    expect([result?.outcome, result?.staying.inUse.length, result?.staying.putOff]).toEqual(['success', 1, []]);
  });

  it('ends without a result when it is withdrawn while it waits', async () => {
    const setting = await Setting.with();
    setting.pull('new');
    const end = setting.start();
    await setting.node.clock.advance(MINUTE_MS);
    setting.withdrawal.abort();
    expect(await setting.node.clock.run(end)).toBeUndefined();
    expect([setting.left, setting.runs]).toEqual([1, 1]);
  });
});
