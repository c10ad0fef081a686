import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';

/** Bundles the command once for the suites that run it: what ships is what is tried. */
export default function bundleOnce(project: TestProject): () => void {
  const directory = mkdtempSync(join(tmpdir(), 'nodetender-bundle-'));
  execFileSync(process.execPath, [fileURLToPath(new URL('../../../scripts/bundle.ts', import.meta.url)), directory]);
  project.provide('bundle', join(directory, 'nodetender.mjs'));
  return () => rmSync(directory, { recursive: true, force: true });
}
