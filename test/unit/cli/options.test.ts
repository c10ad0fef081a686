import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { configurationPath } from '../../../agent/cli/options.ts';

it('goes by the configuration in the usual place where there is one and none is named', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'nodetender-test-'));
  try {
    const usual = join(directory, 'config.yaml');
    expect(await configurationPath({}, usual)).toBeUndefined();
    await writeFile(usual, '{}\n');
    expect(await configurationPath({}, usual)).toBe(usual);
    expect(await configurationPath({ config: 'named.yaml' }, usual)).toBe('named.yaml');
  } finally {
    await rm(directory, { recursive: true });
  }
});
