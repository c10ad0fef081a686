// Measures and writes docs/performance.json, docs/performance.md and the table of the README. Started by scripts/bench.
// Without arguments everything is measured; with some of `small disk large planning cluster drain handover evictions memory clustermemory day` only those,
// the rest stays as it was. `--quick` measures little, prints, and writes nothing: a trial of the bench, not of the agent.
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';

import { generations } from '../harness/components.ts';
import { measureCluster } from './cluster.ts';
import { fillIn, type Measurements, summary, tables } from './document.ts';
import { type DrainLoad, type DrainResult, measureDraining } from './draining.ts';
import { measureEvictions } from './evictions.ts';
import { type HandoverResult, measureHandover } from './handover.ts';
import { describeMachine } from './machine.ts';
import { measurePlanning } from './planning.ts';
import { type Load, measureLargeImages, measureSmallImages, type RemovalResult } from './removal.ts';
import { fast, gentle, limit, oneAtATime, type Strategy } from './strategies.ts';

const execute = promisify(execFile);
const json = new URL('../../docs/performance.json', import.meta.url);
const strategies = [oneAtATime, gentle, fast, limit];

const { values, positionals } = parseArgs({ allowPositionals: true, options: { quick: { type: 'boolean' } } });
const isQuick = values.quick === true;
const wanted = (section: string) => positionals.length === 0 || positionals.includes(section);

const earlier = isQuick ? {} : (JSON.parse(await readFile(json, 'utf8').catch(() => '{}')) as Partial<Measurements>);
let measurements: Measurements = { ...earlier, takenAt: new Date().toISOString(), machine: describeMachine() };

if (wanted('planning')) {
  const planning = [measurePlanning('the default policy'), measurePlanning('rules of every kind')];
  measurements = { ...measurements, planning };
}
const smallImages = { images: isQuick ? 100 : 1000, filesPerImage: 0 };
if (wanted('small')) {
  measurements = { ...measurements, small: await onBoth(measureSmallImages, smallImages, 'memory') };
}
if (wanted('disk')) {
  measurements = { ...measurements, smallOnDisk: await onBoth(measureSmallImages, smallImages, 'disk') };
}
if (wanted('large')) {
  const load = { images: isQuick ? 10 : 100, filesPerImage: 2000 };
  measurements = { ...measurements, large: await onBoth(measureLargeImages, load, 'disk') };
}
if (wanted('drain')) measurements = { ...measurements, drain: await measureDrains() };
if (wanted('handover')) measurements = { ...measurements, handover: await measureHandovers() };
if (wanted('evictions')) {
  console.error('evicting from namespaces of many pods, confined to a node and not');
  measurements = { ...measurements, evictions: await measureEvictions(isQuick ? [10, 100] : [10, 100, 1_000, 10_000]) };
}
if (wanted('cluster')) {
  console.error('a cluster of agents in this process, on a real API server');
  measurements = { ...measurements, cluster: await measureCluster(isQuick ? 50 : 1000) };
}
if (wanted('memory')) measurements = { ...measurements, memory: await measureMemory() };
if (wanted('clustermemory')) measurements = { ...measurements, clusterMemory: await measureMemory('--cluster') };
if (wanted('day')) measurements = { ...measurements, dayMemory: await measureDay() };

console.log(tables(measurements));
if (!isQuick) {
  await writeFile(json, `${JSON.stringify(measurements, undefined, 1)}\n`);
  await fillIn(new URL('../../docs/performance.md', import.meta.url), tables(measurements));
  await fillIn(new URL('../../README.md', import.meta.url), summary(measurements));
}

type Measure = (
  generation: (typeof generations)[number],
  load: Load,
  strategies: readonly Strategy[],
  storage: 'disk' | 'memory',
) => Promise<RemovalResult[]>;

async function onBoth(measure: Measure, load: Load, storage: 'disk' | 'memory'): Promise<RemovalResult[]> {
  const results: RemovalResult[] = [];
  for (const generation of generations) {
    console.error(
      `removing ${load.images} images from containerd ${generation} in ${storage}, in ${strategies.length} ways`,
    );
    results.push(...(await measure(generation, load, strategies, storage)));
  }
  return results;
}

async function measureDrains(): Promise<DrainResult[]> {
  const replicas = isQuick ? 2 : 10;
  const loads: DrainLoad[] = [
    { name: 'no budgets', deployments: 10, replicas, maxUnavailable: undefined },
    { name: 'budgets of two', deployments: 10, replicas, maxUnavailable: 2 },
    { name: 'budgets of one', deployments: 10, replicas, maxUnavailable: 1 },
  ];
  console.error(`draining nodes of ${10 * replicas} pods, in 2 ways`);
  return await measureDraining(loads, isQuick ? 1 : 3);
}

async function measureHandovers(): Promise<HandoverResult[]> {
  const results: HandoverResult[] = [];
  for (const waiters of isQuick ? [10] : [10, 100, 1000]) {
    console.error(`handing a slot on among ${waiters} nodes`);
    // With a thousand waiters all of them would take half an hour and show the same.
    results.push(await measureHandover(waiters, isQuick ? 5 : 50));
  }
  return results;
}

async function measureMemory(...flags: string[]): Promise<string> {
  const script = fileURLToPath(new URL('memory.bench.ts', import.meta.url));
  console.error('cleaning an emulated node again and again');
  return (await execute(process.execPath, [script, ...flags, ...(isQuick ? ['5'] : [])])).stdout;
}

async function measureDay(): Promise<string> {
  const script = fileURLToPath(new URL('day.bench.ts', import.meta.url));
  console.error('a day of an agent with everything on');
  return (await execute(process.execPath, [script, ...(isQuick ? ['1'] : [])])).stdout;
}
