import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

import { dashboardPanels } from '../../harness/monitoring.ts';

const alerts = new URL('../../../charts/nodetender/files/monitoring/alerts.yaml', import.meta.url);
const page = new URL('../../../docs/metrics.md', import.meta.url);

/** The labels of each metric that agents have, by the page that is generated from them. */
const metrics = new Map(
  [...readFileSync(page, 'utf8').matchAll(/^\| `(\w+)` \| (\w+) \| (.*?) \|/gm)].map(
    ([, name = '', type, labels = '']) => {
      const own = [...labels.matchAll(/`(\w+)`/g)].map(([, label = '']) => label);
      return [name, { type, labels: own }] as const;
    },
  ),
);
/** Put there by Prometheus: which agent said so. */
const scraped = ['instance', 'job', 'namespace'];

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: Readonly<Record<string, string>>;
}

const { groups } = parse(readFileSync(alerts, 'utf8')) as { groups: { rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);
const panels = dashboardPanels();
const queries = [
  ...rules.map(({ alert, expr }) => [alert, expr] as const),
  ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr] as const)),
];

describe('what alerts and dashboard ask', () => {
  it.each(queries)('names metrics and labels that agents have: %s', (_, expr) => {
    const foreign = /\b(up|kube_daemonset_\w+)\b/.test(expr);
    const named = expr.match(/\b(nodetender|process)_\w+/g) ?? [];
    expect(named.length > 0 || foreign).toBe(true);
    const labels = new Set(scraped);
    for (const name of named) {
      const histogram = name.replace(/_(bucket|sum|count)$/, '');
      const metric =
        metrics.get(name) ?? (metrics.get(histogram)?.type === 'histogram' ? metrics.get(histogram) : undefined);
      expect({ name, isKnown: metric !== undefined }).toEqual({ name, isKnown: true });
      for (const label of [...(metric?.labels ?? []), 'le']) labels.add(label);
    }
    const used = [
      ...[...expr.matchAll(/[{,]\s*(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label),
      ...[...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) =>
        list.split(',').map((label) => label.trim()),
      ),
    ];
    expect(used.filter((label) => !labels.has(label) && !(foreign && label === 'daemonset'))).toEqual([]);
  });
});

describe('the alerts', () => {
  it('have names of their own, a summary, and a description that says what to do', () => {
    expect(rules.length).toBeGreaterThan(6);
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const { alert, annotations } of rules) {
      expect(alert).toMatch(/^Nodetender[A-Z]/);
      expect(Object.keys(annotations)).toEqual(['summary', 'description']);
    }
  });
});

describe('the dashboard', () => {
  it('tells its panels apart', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    expect(panels.filter(({ type }) => type !== 'row').every(({ targets }) => targets !== undefined)).toBe(true);
  });

  it('asks the data source that a person chose, of the agents that a person chose', () => {
    for (const { targets = [] } of panels) {
      for (const target of targets) {
        expect(target).toHaveProperty('datasource.uid', '${datasource}');
        expect(target.expr).toContain('job=~"$job", instance=~"$instance"');
      }
    }
  });
});
