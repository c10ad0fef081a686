import { readFileSync } from 'node:fs';

const folder = new URL('../../charts/nodetender/files/monitoring/', import.meta.url);

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly targets?: readonly { readonly refId: string; readonly expr: string; readonly legendFormat: string }[];
}

/** The panels of the dashboard that the chart brings. */
export function dashboardPanels(): readonly Panel[] {
  const { panels } = JSON.parse(readFileSync(new URL('dashboard.json', folder), 'utf8')) as { panels: Panel[] };
  return panels;
}

/** A query of the dashboard as Grafana asks it, of all agents. */
export function asked(expr: string): string {
  return expr.replaceAll(/\$(job|instance)\b/g, '.*').replaceAll('$__rate_interval', '1m');
}
