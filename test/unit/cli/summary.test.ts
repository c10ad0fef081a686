import { describe, expect, it } from 'vitest';
import { printReport } from '../../../agent/cli/summary.ts';
import type { Report } from '../../../agent/images/report.ts';
import { RecordedTerminal } from './terminal.ts';

const report: Report = {
  trigger: 'command',
  dryRun: false,
  startedAtMs: 0,
  durationMs: 1234,
  outcome: 'done',
  error: undefined,
  plan: { plannedAtMs: 0, keep: [], remove: [] },
  removed: [
    {
      id: 'a',
      name: 'registry.example/a:1',
      sizeBytes: 2048,
      code: 'unused',
      reason: 'unused for 9 days',
      cameBack: false,
    },
  ],
  skipped: [{ id: 'b', name: 'registry.example/b:1', why: 'container web uses it' }],
  failed: [{ id: 'c', name: 'registry.example/c:1', message: 'disk on\nfire' }],
  estimatedFreedBytes: 2048,
  measuredFreedBytes: 1024,
};

function printed(changes: Partial<Report> = {}, needsSecondLook = false): RecordedTerminal {
  const terminal = new RecordedTerminal();
  printReport(terminal, { ...report, ...changes }, needsSecondLook);
  return terminal;
}

describe('the report of a cleaning', () => {
  it('has a line for each image that went, stayed after all, or would not go', () => {
    expect(
      printed()
        .stdout.split('\n')
        .map((line) => line.replaceAll(/ +/g, ' ')),
    ).toEqual([
      'RESULT IMAGE SIZE REASON',
      'removed registry.example/a:1 2 KiB unused for 9 days',
      'left registry.example/b:1 container web uses it',
      'failed registry.example/c:1 disk on?fire',
      '',
    ]);
  });

  it('says of an image that went and is there again that somebody pulled it', () => {
    const removed = report.removed.map((image) => ({ ...image, cameBack: true }));
    expect(printed({ removed }).stdout).toContain('unused for 9 days; somebody pulled it again during the run');
  });

  it('counts, and calls estimated and measured bytes by their names', () => {
    const { stderr } = printed();
    expect(stderr).toContain('1 image removed, 1 left, 1 failed in 1.2 s\n');
    expect(stderr).toContain(
      '2 KiB by listed size (compressed, shared layers counted each time); free space changed by +1 KiB, measured',
    );
  });

  it('says so when the disk became fuller meanwhile, or could not be measured', () => {
    expect(printed({ measuredFreedBytes: -2048 }).stderr).toContain('free space changed by -2 KiB, measured');
    expect(printed({ measuredFreedBytes: undefined }).stderr).toContain('the disk could not be measured');
  });

  it('says that it was stopped, and why a run could not go on', () => {
    expect(printed({ outcome: 'stopped' }).stderr).toContain('in 1.2 s, stopped\n');
    expect(printed({ outcome: 'failed', error: 'the runtime went away' }).stderr).toContain(
      'error: the runtime went away\n',
    );
  });

  it('says what a real run would do differently from a dry one', () => {
    const { stderr } = printed({ dryRun: true, removed: [], skipped: [], failed: [] }, true);
    expect(stderr).toContain('0 images would be removed, 0 B by listed size; nothing was changed');
    expect(stderr).toContain('a real run looks a second time 2 minutes later');
  });
});
