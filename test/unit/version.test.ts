import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

function read(path: string): Record<string, unknown> {
  return parse(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')) as Record<string, unknown>;
}

describe('the version, which package.json has', () => {
  const { version } = read('package.json');

  it('is the chart’s, and that of the image that the chart installs', () => {
    expect(read('charts/nodetender/Chart.yaml')).toMatchObject({ version, appVersion: version });
  });

  it('is the lock file’s', () => {
    expect(read('package-lock.json')).toMatchObject({ version });
  });
});
