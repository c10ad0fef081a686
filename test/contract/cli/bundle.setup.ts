import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { bundle } from '../../../scripts/bundle.ts';

/** Bundles the command once for the suites that run it: what ships is what is tried. */
export default async function bundleOnce(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), 'nodetender-bundle-'));
  await bundle({ directory });
  project.provide('bundle', join(directory, 'nodetender.cjs'));
  return async () => await rm(directory, { recursive: true, force: true });
}
