import { constants } from 'node:http2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { systemClock } from '../../../agent/clock.ts';
import type { KubernetesClient } from '../../../agent/cluster/client.ts';
import { nodes } from '../../../agent/cluster/objects.ts';
import { VirtualClock } from '../../emulators/clock.ts';
import { begin, json, type ScriptedServer } from '../../harness/scriptedserver.ts';
import { ClientSetting, name, one } from './clientsetting.ts';

describe('HTTP/2 alone', () => {
  let setting: ClientSetting;
  let server: ScriptedServer;
  let port: KubernetesClient;

  beforeEach(async () => {
    setting = await ClientSetting.start('h2');
    ({ server } = setting);
    port = await setting.client();
  });
  afterEach(async () => {
    await setting.close();
  });

  it('writes again what the server has refused unread', async () => {
    server.replies.push((response) => response.stream.close(constants.NGHTTP2_REFUSED_STREAM));
    server.reply = json(one);
    await port.create(nodes, undefined, one);
    expect(server.requests).toHaveLength(2);
  });

  it('takes a new connection when the server says goodbye, and lets what runs come to its end', async () => {
    let finish = (): void => undefined;
    server.replies.push((response) => {
      response.stream.session?.goaway();
      finish = (): void => json(one)(response);
    });
    server.reply = json(one);
    const slow = port.get(nodes, name);
    await expect.poll(() => server.requests.length).toBe(1);
    await port.get(nodes, name);
    await port.get(nodes, name);
    finish();
    await slow;
    expect(server.requests).toHaveLength(3);
    expect(server.connections).toBe(2);
  });

  it('asks nothing of a connection that has just ended', async () => {
    const clock = new VirtualClock();
    const short = await setting.client({}, clock);
    server.reply = json(one);
    await short.get(nodes, name);
    // A ping is due in the very moment of its end: an error of it would be nobody's, and end the agent.
    short.close();
    await clock.advance(60_000);
    await expect(short.get(nodes, name)).rejects.toMatchObject({ code: 'cluster/cancelled' });
  });

  it('keeps a silent watch whose server answers pings', async () => {
    const patient = await setting.client({ pingAfterMs: 10, pingTimeoutMs: 1_000 }, systemClock);
    let finish = (): void => undefined;
    server.reply = (response): void => {
      begin(response);
      finish = (): void => void response.end();
    };
    const seen: string[] = [];
    const watching = async (): Promise<void> => {
      for await (const { type } of patient.watch(nodes, {}, { resourceVersion: '1', timeoutSeconds: 60 }))
        seen.push(type);
    };
    const done = watching();
    await expect.poll(() => seen.length).toBe(1);
    const openedMs = patient.lastHeardMs() ?? 0;
    await expect.poll(() => (patient.lastHeardMs() ?? 0) - openedMs > 30).toBe(true);
    finish();
    await done;
    expect(seen).toEqual(['opened']);
  });
});
