import { expect, it } from 'vitest';
import { ClusterError } from '../../../agent/cluster/errors.ts';
import type { KubernetesPort, Patch } from '../../../agent/cluster/port.ts';
import { NodeWriter } from '../../../agent/duties/nodewriter.ts';
import { createLogger } from '../../../agent/observe/log.ts';
import { VirtualClock } from '../../emulators/clock.ts';

/** A writer whose API server refuses as often as it is told to. */
function writing(...refusals: readonly ClusterError[]) {
  const clock = new VirtualClock();
  const left = [...refusals];
  const written: { readonly atMs: number; readonly annotations: unknown }[] = [];
  const patch = (async (_: unknown, __: unknown, { body }: Patch) => {
    const refusal = left.shift();
    const { metadata } = body as { metadata: { annotations: unknown } };
    written.push({ atMs: clock.monotonicMs(), annotations: refusal === undefined ? metadata.annotations : 'refused' });
    if (refusal !== undefined) throw refusal;
    return await Promise.resolve({});
  }) as unknown as KubernetesPort['patch'];
  const log = createLogger({ level: 'error' });
  const writer = new NodeWriter({ port: { patch }, nodeName: 'node-1', clock, random: () => 0.5, log });
  void writer.work(new AbortController().signal);
  return { clock, writer, written };
}

it('what could not be written is written again with what was set meanwhile, the newer value of each', async () => {
  const { clock, writer, written } = writing(new ClusterError('cluster/failed', 'etcd is away'));
  void writer.set({ status: 'old', clean: 'value' });
  await clock.advance(100);
  void writer.set({ status: 'new' });
  await clock.advance(1_000);
  expect(written).toEqual([
    { atMs: 0, annotations: 'refused' },
    { atMs: 1_000, annotations: { 'nodetender.dev/status': 'new', 'nodetender.dev/clean': 'value' } },
  ]);
});

it('nothing is written before the time that the API server named', async () => {
  const { clock, writer, written } = writing(new ClusterError('cluster/throttled', 'later', { retryAfterMs: 45_000 }));
  let isWritten = false;
  void writer.set({ status: 'new' }).then(() => (isWritten = true));
  await clock.advance(44_999);
  expect([written.length, isWritten]).toEqual([1, false]);
  await clock.advance(1_001);
  expect([written.length, isWritten]).toEqual([2, true]);
});
