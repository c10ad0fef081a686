import { expect, it } from 'vitest';
import { KubernetesClient } from '../../../../agent/cluster/client.ts';
import { OwnNode } from '../../../../agent/cluster/node.ts';
import { nodes } from '../../../../agent/cluster/objects.ts';
import { defaultConfig } from '../../../../agent/config/load.ts';
import { EraserDuty } from '../../../../agent/duties/eraser.ts';
import { Gate } from '../../../../agent/duties/gate.ts';
import { Runs } from '../../../../agent/duties/runs.ts';
import { imageLists } from '../../../../agent/eraser/imagelist.ts';
import { createLogger } from '../../../../agent/observe/log.ts';
import { Metrics } from '../../../../agent/observe/metrics.ts';
import { VirtualClock } from '../../../emulators/clock.ts';
import { EmulatedApiServer } from '../../../emulators/kubernetes/apiserver.ts';
import { Link } from '../../../emulators/kubernetes/link.ts';
import { InMemoryTransport } from '../../../emulators/kubernetes/transport.ts';
import { StateDirectory } from '../../../emulators/state-directory.ts';
import { imageListCrd } from '../../../harness/imagelistcrd.ts';
import { emptyReport } from '../../images/examples.ts';

const MINUTE_MS = 60_000;
const crds = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  namespaced: false,
};

it('an ImageList that was counted while its run waited at the gate does not run when that opens', async () => {
  const clock = new VirtualClock();
  const server = new EmulatedApiServer({ clock });
  server.access.grant('agent');
  const random = (): number => 0.5;
  const transport = new InMemoryTransport({ server, user: 'agent', clock, link: new Link() });
  const port = new KubernetesClient({ transport, clock, random, userAgent: 'nodetender/test' });
  const stop = new AbortController();
  const { signal } = stop;
  const gate = new Gate();
  const log = createLogger({ level: 'error', stream: { write: () => undefined } });
  let ran = 0;
  const runs = new Runs({
    run: async () => {
      ran += 1;
      return await Promise.resolve(emptyReport);
    },
    observer: undefined,
    gate,
    lock: async () => await Promise.resolve({ problem: undefined, release: async () => await Promise.resolve() }),
    clock,
    log,
    metrics: new Metrics({ version: 'test', commit: 'test' }),
    signal,
  });
  const own = new OwnNode('a', { port, clock, random, onChange: () => duty.nodeChanged() });
  const duty = await EraserDuty.open({
    port,
    nodeName: 'a',
    namespace: 'default',
    config: () => ({ ...defaultConfig, stateDirectory: '/state' }),
    gate,
    node: () => own.current,
    run: async (request) => await runs.request(request),
    tell: () => undefined,
    warn: () => undefined,
    log,
    clock,
    random,
    fileSystem: new StateDirectory(),
  });
  gate.set('node', { code: 'unreachable', reason: 'for the test' });
  await clock.run(port.create(crds, undefined, imageListCrd));
  await clock.run(port.create(nodes, undefined, { metadata: { name: 'a' } }));
  const working = Promise.all([own.run(signal), duty.work(signal)]);
  try {
    await clock.advance(MINUTE_MS);
    const list = { metadata: { name: 'list' }, spec: { images: ['*'] } };
    await clock.run(port.create(imageLists, undefined, list));
    await clock.advance(17 * MINUTE_MS);
    const { status } = await clock.run(port.get(imageLists, { name: 'list' }));
    expect(status).toMatchObject({ success: 0, failed: 1, skipped: 0 });
    gate.set('node', undefined);
    await clock.advance(MINUTE_MS);
    expect([gate.obstacle, ran]).toEqual([undefined, 0]);
  } finally {
    stop.abort();
    await clock.run(working);
  }
});
