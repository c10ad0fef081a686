import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import {
  nextAnnotation,
  nodeAnnotations,
  pauseAnnotation,
  poolLabel,
  stateLabel,
} from '../../../agent/cluster/names.ts';
import { jsonSchema } from '../../../agent/config/schema.ts';
import { runAnnotation } from '../../../agent/eraser/imagelist.ts';
import { eventReasons } from '../../../agent/eventreasons.ts';
import { Metrics } from '../../../agent/observe/metrics.ts';
import type { HolderProblem } from '../../../agent/reboot/lock/holders.ts';
import { keysOf } from '../config/keys.ts';
import { agentSource, quotedIn, rowsOf, sectionOf, textOf } from './pages.ts';

const page = textOf('docs/operations.md');
const quoted = quotedIn(page);
const source = agentSource('eventreasons.ts');

/** What of it nobody has to do anything about. */
const idleMetrics = [
  'nodetender_build_info',
  'nodetender_clean_requests_total',
  'nodetender_config_last_accepted_timestamp_seconds',
  'nodetender_history_images',
  'nodetender_images_removed_total',
  'nodetender_images_skipped_total',
  'nodetender_last_run_end_timestamp_seconds',
  'nodetender_next_run_timestamp_seconds',
  'nodetender_reboot_drain_duration_seconds',
  'nodetender_reboot_drains_total',
  'nodetender_reboot_phase_since_timestamp_seconds',
  'nodetender_run_duration_seconds',
  'nodetender_run_event_loop_delay_seconds',
  'nodetender_run_in_progress',
  'nodetender_runtime_info',
];

const holderProblems = Object.keys({
  'never-came-back': 0,
  'holds-long': 0,
  'node-gone': 0,
  'node-replaced': 0,
  'no-owner': 0,
  'holder-idle': 0,
  'unknown-pool': 0,
} satisfies Record<HolderProblem, 0>);

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[];
}

/** The rules of the chart, with something in place of the words that its template puts in. */
function alerts(): Rules['groups'][number]['rules'] {
  const rules = parse(textOf('charts/nodetender/files/monitoring/alerts.yaml').replaceAll(/@\w+@/g, '1')) as Rules;
  return rules.groups.flatMap((group) => group.rules);
}

async function registered(): Promise<string[]> {
  const { registry } = new Metrics({ version: '1', commit: 'c' });
  const names = (await registry.getMetricsAsJSON()).map(({ name }) => name);
  return names.filter((name) => name.startsWith('nodetender_'));
}

function namesIn(text: string, pattern: RegExp): Set<string> {
  return new Set([...text.matchAll(pattern)].map(([name]) => name));
}

describe('the page on operations', () => {
  it('has every reason of an Event once, and no other', () => {
    const rows = rowsOf(sectionOf(page, 'Events')).flatMap(quotedIn);
    expect(rows.toSorted()).toEqual([...eventReasons].toSorted());
  });

  it('has no reason that no Event has', () => {
    expect(eventReasons.filter((reason) => !source.includes(`'${reason}'`))).toEqual([]);
  });

  it('has every alert of the chart, and no other', () => {
    const rows = rowsOf(sectionOf(page, 'Alerts')).flatMap(quotedIn);
    expect(rows.toSorted()).toEqual(
      alerts()
        .map(({ alert }) => alert)
        .toSorted(),
    );
  });

  it('has every metric that is worth acting on, and none that does not exist', async () => {
    const named = namesIn(page, /\bnodetender_\w+/g);
    expect([...named, ...idleMetrics].toSorted()).toEqual((await registered()).toSorted());
  });

  it('has every metric that an alert is made of', async () => {
    const known = new Set(await registered());
    const used = namesIn(
      alerts()
        .map(({ expr }) => expr)
        .join('\n'),
      /\bnodetender_\w+/g,
    );
    expect([...used].filter((name) => !known.has(name))).toEqual([]);
  });

  it('has every problem of a slot', () => {
    const rows = rowsOf(sectionOf(page, 'What is wrong with a slot')).flatMap(quotedIn);
    expect(rows.filter((name) => name !== 'problem').toSorted()).toEqual(holderProblems.toSorted());
  });

  it('has every name of ours in the cluster, and none that the agent does not know', () => {
    const own = [...Object.values(nodeAnnotations), runAnnotation].map((name) => `nodetender.dev/${name}`);
    const named = namesIn(page, /\bnodetender\.dev\/[a-z-]+/g);
    for (const name of [...own, stateLabel, poolLabel, nextAnnotation, pauseAnnotation]) expect(named).toContain(name);
    const prefixed = [...source.matchAll(/\$\{annotationPrefix\}([a-z-]+)/g)].map(
      ([, name]) => `nodetender.dev/${name}`,
    );
    const known = new Set([...own, ...prefixed, ...namesIn(source, /\bnodetender\.dev\/[a-z-]+/g)]);
    expect([...named].filter((name) => !known.has(name))).toEqual([]);
  });

  it('has the conditions that the agent writes', () => {
    const written = [...source.matchAll(/new NodeCondition\(\{[^}]*type: '(\w+)'/g)].map(([, type = '']) => type);
    const rows = rowsOf(sectionOf(page, 'On a Node').replaceAll('| condition `', '| `condition '));
    const named = rows.flatMap(quotedIn).flatMap((text) => /^condition (\w+)$/.exec(text)?.[1] ?? []);
    expect(named.toSorted()).toEqual(written.toSorted());
    expect(written).toHaveLength(2);
  });

  it('names no setting that there is not', () => {
    const keys = new Set(keysOf(jsonSchema()).map(({ path }) => path.join('.')));
    const named = quoted.filter((text) => /^(reboot|images|cluster|http|log)\.[\w.]+$/.test(text));
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((name) => !keys.has(name))).toEqual([]);
  });
});
