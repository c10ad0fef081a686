import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { packageNames, readPackages } from '../../../agent/host/packages.ts';

describe('the packages that ask for a reboot', () => {
  it('are named once each, in the order of the list', () => {
    expect(packageNames('linux-image-6.1.0-40-amd64\nlibc6:amd64\r\nlinux-image-6.1.0-40-amd64\n\n')).toEqual([
      'linux-image-6.1.0-40-amd64',
      'libc6:amd64',
    ]);
  });

  it('are left out when they are not names of packages: people and scripts read them', () => {
    expect(packageNames('<script>\n$(reboot)\n\u001B[31mred\n../etc\ng++\n'.concat('x'.repeat(300), '\n'))).toEqual([
      'g++',
    ]);
  });

  it('are bounded, however long the list', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'nodetender-packages-'));
    const path = join(directory, 'list');
    await writeFile(path, Array.from({ length: 20_000 }, (_, index) => `package-${index}`).join('\n'));
    const names = await readPackages(path);
    expect(names).toHaveLength(200);
    expect(names[199]).toBe('package-199');
    await rm(directory, { recursive: true });
  });

  it('are none when there is no list to read', async () => {
    expect(await readPackages('/nonexistent/list')).toEqual([]);
    expect(await readPackages(tmpdir())).toEqual([]);
  });
});
