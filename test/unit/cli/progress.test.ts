import { describe, expect, it } from 'vitest';
import { ProgressDisplay } from '../../../agent/cli/progress.ts';
import { RecordedTerminal } from './terminal.ts';

function show(
  display: ProgressDisplay,
  removed: number,
  planned: number,
  more: { skipped?: number; failed?: number } = {},
): void {
  display.show({ planned, removed, skipped: 0, failed: 0, ...more });
}

describe('the progress of a cleaning', () => {
  it('is one line drawn again on a terminal, and taken away at the end', () => {
    const terminal = new RecordedTerminal({ isLive: true });
    const display = new ProgressDisplay(terminal);
    show(display, 5, 10);
    show(display, 10, 10);
    display.clear();
    expect(terminal.stderr.split('\r\u001B[K')).toEqual([
      '',
      '[###############...............] 5/10',
      '[##############################] 10/10',
      '',
    ]);
  });

  it('fits into a narrow terminal', () => {
    const terminal = new RecordedTerminal({ isLive: true, columns: 20 });
    show(new ProgressDisplay(terminal), 5, 10);
    expect(terminal.stderr.slice('\r\u001B[K'.length)).toHaveLength(19);
  });

  it('is at most ten plain lines where nobody watches', () => {
    const terminal = new RecordedTerminal();
    const display = new ProgressDisplay(terminal);
    for (let removed = 1; removed <= 1000; removed += 1) show(display, removed, 1000);
    display.clear();
    const lines = terminal.stderr.trimEnd().split('\n');
    expect(lines).toHaveLength(10);
    expect(lines[0]).toBe('100 of 1000 images done');
    expect(lines.at(-1)).toBe('1000 of 1000 images done');
  });

  it('tells what was left and what failed', () => {
    const terminal = new RecordedTerminal();
    show(new ProgressDisplay(terminal), 7, 10, { skipped: 2, failed: 1 });
    expect(terminal.stderr).toBe('10 of 10 images done (2 left, 1 failed)\n');
  });

  it('is nothing where nothing is planned', () => {
    const terminal = new RecordedTerminal();
    show(new ProgressDisplay(terminal), 0, 0);
    expect(terminal.stderr).toBe('');
  });

  it('counts down on a terminal only', () => {
    const live = new RecordedTerminal({ isLive: true });
    new ProgressDisplay(live).say('second look in 5 s');
    expect(live.stderr).toContain('second look in 5 s');
    const plain = new RecordedTerminal();
    new ProgressDisplay(plain).say('second look in 5 s');
    expect(plain.stderr).toBe('');
  });
});
