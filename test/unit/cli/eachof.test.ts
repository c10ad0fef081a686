import { describe, expect, it } from 'vitest';
import { eachOf } from '../../../agent/cli/eachof.ts';

describe('work on each of many', () => {
  it('is done once for each, never more than 16 at a time', async () => {
    const seen: number[] = [];
    let inFlight = 0;
    let most = 0;
    await eachOf(
      Array.from({ length: 100 }, (_, at) => at),
      async (item) => {
        inFlight += 1;
        most = Math.max(most, inFlight);
        await Promise.resolve();
        inFlight -= 1;
        seen.push(item);
      },
    );
    expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, at) => at));
    expect(most).toBe(16);
  });

  it('begins nothing more after a failure, and ends when what was in flight has ended', async () => {
    let begun = 0;
    let ended = 0;
    const work = eachOf(
      Array.from({ length: 100 }, (_, at) => at),
      async (item) => {
        begun += 1;
        await Promise.resolve();
        if (item === 0) throw new Error('refused');
        await Promise.resolve();
        ended += 1;
      },
    );
    await expect(work).rejects.toThrow('refused');
    expect(begun).toBe(16);
    expect(ended).toBe(15);
  });

  it('is nothing for none', async () => {
    await expect(eachOf([], async () => await Promise.reject(new Error('called')))).resolves.toBeUndefined();
  });
});
