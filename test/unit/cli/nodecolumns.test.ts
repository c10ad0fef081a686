import { describe, expect, it } from 'vitest';
import { nodeColumns } from '../../../agent/cli/nodecolumns.ts';
import { summaryOf } from '../../../agent/cli/nodesummary.ts';
import { renderTable } from '../../../agent/cli/table.ts';
import type { Terminal } from '../../../agent/cli/terminal.ts';
import type { NodeView } from '../../../agent/cluster/node.ts';
import { node, strangeNode } from './nodeexamples.ts';

const terminal: Terminal = {
  out: () => undefined,
  err: () => undefined,
  columns: undefined,
  isLive: false,
  rows: undefined,
  ask: undefined,
  paint: (_, text) => text,
};
const nowMs = Date.parse('2026-03-01T12:00:00Z');

function table(views: readonly NodeView[], { wide = false, width }: { wide?: boolean; width?: number } = {}): string {
  return renderTable(nodeColumns({ nowMs, wide, terminal }), views.map(summaryOf), width);
}

/** The cells of the only row, by their titles. */
function row(view: NodeView, wide = false): Record<string, string> {
  const cells = nodeColumns({ nowMs, wide, terminal }).map(({ title, text }) => [title, text(summaryOf(view))]);
  return Object.fromEntries(cells) as Record<string, string>;
}

describe('the table of nodes', () => {
  it('has a line for each node, whatever is known of it', () => {
    const views = [
      node({ 'last-clean': {} }),
      node({ hold: 'disk copy, ask Ada', status: { state: 'held' } }, { name: 'web-2' }),
      { ...strangeNode(), name: 'virtual' },
    ];
    expect(table(views)).toBe(
      [
        'NAME     AGENT   STATE   LAST CLEAN  IMAGES  REMOVED   FREED    DISK  REBOOT  HOLD',
        'web-1    1.2.3   idle    2h             120       12   2 GiB     61%  <none>  <none>',
        'web-2    1.2.3   held    <none>         120   <none>  <none>     61%  <none>  disk copy, ask Ada',
        'virtual  <none>  <none>  <none>      <none>   <none>  <none>  <none>  <none>  <none>',
        '',
      ].join('\n'),
    );
  });

  it('fits a narrow terminal, and keeps name, state, last clean and hold', () => {
    const lines = table([node({ 'last-clean': {}, hold: 'a long story about a disk' })], { width: 44 }).split('\n');
    expect(lines[0]).toBe('NAME   STATE  LAST CLEAN  HOLD');
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(44);
  });

  it('tells a dry run, which has removed nothing', () => {
    const cells = row(node({ 'last-clean': { dryRun: true } }));
    expect(cells).toMatchObject({ 'LAST CLEAN': '2h (dry run)', REMOVED: '(12)', FREED: '(~3 GiB)' });
  });

  it('tells a run that did not end well', () => {
    expect(row(node({ 'last-clean': { outcome: 'failed' } }))['LAST CLEAN']).toBe('2h (failed)');
    expect(row(node({ 'last-clean': { outcome: 'enough' } }))['LAST CLEAN']).toBe('2h');
  });

  it('marks an estimate of what was freed, and a disk that filled meanwhile', () => {
    expect(row(node({ 'last-clean': { measuredFreedBytes: null } }))['FREED']).toBe('~3 GiB');
    expect(row(node({ 'last-clean': { measuredFreedBytes: -2048 } }))['FREED']).toBe('-2 KiB');
  });

  it('adds to the state what else is to be known', () => {
    expect(row(node({}, { ready: false }))['STATE']).toBe('idle,NotReady');
    expect(row(node({ clean: 'new', 'clean-handled': 'old' }))['STATE']).toBe('idle,requested');
    expect(row(node({ clean: 'old', 'clean-handled': 'old' }))['STATE']).toBe('idle');
    expect(row(node({ status: 'nonsense' }))['STATE']).toBe('unreadable');
  });

  it('shows a hold without a reason too', () => {
    expect(row(node({ hold: '' }))['HOLD']).toBe('yes');
  });

  it('shows in wide output why nothing happens and when it will', () => {
    const status = { waiting: 'the API server was last heard 12 minutes ago', imageBytes: null };
    expect(row(node({ status, 'last-clean': { failed: 2 } }), true)).toMatchObject({
      'IMAGE SIZE': '<none>',
      FAILED: '2',
      TRIGGER: 'annotation',
      'NEXT RUN': '7d',
      'WAITING FOR': 'the API server was last heard 12 minutes ago',
    });
  });
});

describe('a record that cannot be read', () => {
  it('is named with its node and annotation, and hides nothing else', () => {
    const summary = summaryOf(node({ 'last-clean': '{"removed":"many"}' }));
    expect(summary.status?.version).toBe('1.2.3');
    expect(summary.problems).toEqual([
      expect.stringMatching(/^node\/web-1: annotation nodetender\.dev\/last-clean cannot be read: /),
    ]);
  });
});
