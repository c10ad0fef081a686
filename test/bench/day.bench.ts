import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { bundle, nodeFlags } from '../../scripts/bundle.ts';
import { RuntimeServer } from '../emulators/runtime/server.ts';
import { RuntimeStore } from '../emulators/runtime/store.ts';
import { agentPort } from '../harness/agentport.ts';
import { PlainServer } from '../harness/plainserver.ts';
import { RebootingHost } from '../harness/rebootinghost.ts';
import { StandInNodes } from '../harness/standinnodes.ts';
import { BenchCluster } from './memorycluster.ts';
import { addressOf, memoryOf, memoryRow } from './resident.ts';
import { maximum, median } from './statistics.ts';

/**
 * Resident memory of the bundled agent over a day, with everything on: `node test/bench/day.bench.ts [HOURS]`. Its Node has 110
 * pods on a real API server, two of which change each minute. Every hour 100 images come and are cleaned; for two hours
 * of every four a sentinel stands there, through a window, gates, hooks, messages, the lock and a drain, up to a
 * logind that refuses, so that all of it is undone and tried again.
 */
const hours = Number(process.argv[2] ?? 24);
const REAL_MS_PER_MINUTE = 100;
const WORKERS = 10;

const directory = await mkdtemp(join(tmpdir(), 'nodetender-day-'));
const cluster = await BenchCluster.launch();
const host = await RebootingHost.start();
const web = await PlainServer.start();
const { api } = cluster.clients;
const kubelet = new StandInNodes({ port: await agentPort(cluster.clients, 'kubelet'), api });
const store = new RuntimeStore();
const runtime = new RuntimeServer({ store, socketPath: join(directory, 'cri.sock') });

/** Alerts and messages. */
web.reply = (response) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ status: 'success', data: { resultType: 'vector', result: [] } }));
};

const settings = {
  runtime: { endpoint: `unix://${join(directory, 'cri.sock')}` },
  http: { address: '127.0.0.1:0' },
  images: { minUnused: '0s', schedule: { every: '1h' }, pace: 'fast', disk: { startAbove: '99%', path: directory } },
  cluster: { settle: '0s' },
  reboot: {
    enabled: true,
    sentinel: { path: host.sentinelPath },
    windows: { deny: [{ from: '03:00', to: '05:00' }] },
    prometheus: { url: `http://${web.host}` },
    gates: { blockingPods: ['never=there'], alerts: { ignore: 'Watchdog' } },
    hooks: { before: { annotations: ['example.com/may-reboot'], timeout: '5m', whenTimedOut: 'go-on' } },
    drain: { podSelector: 'app=worker', delay: '1m' },
    marks: { preferNoScheduleTaint: 'example.com/reboots-soon', labelsBefore: ['example.com/away=yes'] },
    notify: { to: [{ url: `generic://${web.host}/hook?disabletls=yes` }] },
  },
};

async function makeNode(): Promise<void> {
  const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }];
  const nodeInfo = { bootID: host.machine.boot.bootId };
  await api.merge(`/api/v1/nodes/${cluster.nodeName}/status`, { status: { conditions, nodeInfo } });
}

/** Those that a drain has taken away come back. */
async function makeWorkers(): Promise<void> {
  for (let number = 0; number < WORKERS; number += 1) {
    await api.send('POST', '/api/v1/namespaces/default/pods', {
      metadata: { name: `worker-${number}`, labels: { app: 'worker' } },
      spec: { nodeName: cluster.nodeName, containers: [{ name: 'app', image: 'registry.example/worker:1' }] },
    });
  }
}

async function startAgent(): Promise<ChildProcess> {
  const config = join(directory, 'config.yaml');
  await writeFile(config, JSON.stringify(settings));
  await bundle({ directory, entry: fileURLToPath(new URL('day.agent.ts', import.meta.url)) });
  const script = [...nodeFlags, join(directory, 'nodetender.cjs')];
  const command = [
    process.execPath,
    ...script,
    'agent',
    '-c',
    config,
    '--state-dir',
    join(directory, 'state'),
    '--node-name',
    cluster.nodeName,
  ];
  return await cluster.spawn(command, { stdio: ['ignore', 'pipe', 'inherit'] }, host);
}

/** What happens around the agent in each minute of the day. */
async function minute(number: number): Promise<void> {
  await cluster.changePods(number, 2);
  if (number % 10 === 0) await makeWorkers();
  if (number % 60 === 0)
    for (let at = 0; at < 100; at += 1) store.addImage({ tags: [`registry.example/app:${number}.${at}`] });
  if (number % 240 === 60) await host.wantReboot('linux-image-generic', 'libc6');
  if (number % 240 === 180) await host.withdraw();
  if (number % 360 === 300) {
    const annotations = { 'nodetender.dev/reboot': `at-${number}` };
    await api.merge(`/api/v1/nodes/${cluster.nodeName}`, { metadata: { annotations } });
  }
}

let agent: ChildProcess | undefined;
try {
  await kubelet.start();
  await runtime.start();
  for (const image of cluster.images) store.addImage({ tags: [image] });
  await makeNode();
  host.machine.outcomes.push(...Array.from({ length: 10_000 }, () => 'failed' as const));
  agent = await startAgent();
  const url = await addressOf(agent);
  while ((await fetch(`${url}/readyz`)).status !== 200) await delay(50);
  console.log(`| ${hours} hours with everything on | resident MB | anonymous MB |\n| --- | --- | --- |`);
  console.log(memoryRow('at the start', await memoryOf(agent)));
  const residentMb: number[] = [];
  for (let number = 1; number <= hours * 60; number += 1) {
    await minute(number);
    agent.kill('SIGUSR2');
    await delay(REAL_MS_PER_MINUTE);
    await (await fetch(`${url}/metrics`)).text();
    const memory = await memoryOf(agent);
    residentMb.push(memory.residentMb);
    if (number % 180 === 0) console.log(memoryRow(`after ${number / 60} hours`, memory));
  }
  const half = residentMb.length / 2;
  const medianMb = (of: readonly number[]): string => median(of).toFixed(1);
  const { rebootsAsked } = host.machine;
  const messages = web.received.filter((request) => request.url.startsWith('/hook')).length;
  console.log(
    `\nResident in each minute: median ${medianMb(residentMb.slice(0, half))} MB in the first half, ${medianMb(residentMb.slice(half))} MB in the second, ${maximum(residentMb).toFixed(1)} MB at most. The host was asked to reboot ${rebootsAsked} times and refused; ${messages} messages were sent.`,
  );
} finally {
  if (agent !== undefined && agent.exitCode === null) {
    const ended = once(agent, 'exit');
    agent.kill('SIGTERM');
    await ended;
  }
  await kubelet.stop();
  await runtime.stop();
  await web.stop();
  await host.dispose();
  await cluster.destroy();
  await rm(directory, { recursive: true, force: true });
}
process.exit(0);
