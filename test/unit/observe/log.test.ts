import { describe, expect, it } from 'vitest';
import { NodetenderError } from '../../../agent/errors.ts';
import { createLogger } from '../../../agent/observe/log.ts';
import type { LogLevel } from '../../../agent/observe/log.ts';

function logged(level: LogLevel = 'info') {
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger({
    level,
    stream: { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  });
  return { lines, logger };
}

describe('the log', () => {
  it('is one JSON object per line with the level by name and the time in UTC', () => {
    const { lines, logger } = logged();
    logger.info({ image: 'sha256:1', reason: 'unused' }, 'removed');
    expect(lines).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        image: 'sha256:1',
        reason: 'unused',
        msg: 'removed',
      },
    ]);
  });

  it('takes a new level while it runs', () => {
    const { lines, logger } = logged('info');
    logger.debug('not yet');
    logger.level = 'debug';
    logger.debug('now');
    expect(lines.map((line) => line['msg'])).toEqual(['now']);
  });

  it('writes an error of ours with its code and its cause, and no stack', () => {
    const { lines, logger } = logged();
    const cause = new Error('connect ENOENT');
    logger.warn({ error: new NodetenderError('runtime/no-socket', 'no socket', { cause }) }, 'runtime away');
    expect(lines[0]?.['error']).toEqual({
      code: 'runtime/no-socket',
      message: 'no socket',
      cause: { message: 'connect ENOENT', stack: expect.stringContaining('ENOENT') },
    });
  });

  it('cuts a chain of causes that bites its own tail', () => {
    const { lines, logger } = logged();
    const error = new NodetenderError('runtime/failed', 'round and round');
    error.cause = error;
    logger.error({ error }, 'failed');
    expect(JSON.stringify(lines[0]).match(/round and round/g)).toHaveLength(5);
  });

  it('writes whatever was thrown, even when it is not an error', () => {
    const { lines, logger } = logged();
    logger.error({ error: 'just text' }, 'failed');
    expect(lines[0]?.['error']).toBe('just text');
  });
});
