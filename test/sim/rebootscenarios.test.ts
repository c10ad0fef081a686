import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { replay } from './reboot/scenario.ts';

const folder = new URL('scenarios/reboot/', import.meta.url);
const names = readdirSync(folder).filter((name) => name.endsWith('.txt'));

/** `vitest run --project sim test/sim/rebootscenarios.test.ts -u` records anew; the difference is for a person to read. */
describe('the reboot machine does what the recorded scenarios say', () => {
  it.each(names)('%s', async (name) => {
    const file = new URL(name, folder);
    await expect(replay(readFileSync(file, 'utf8'))).toMatchFileSnapshot(file.pathname);
  });
});
