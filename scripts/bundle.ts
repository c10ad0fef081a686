import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/**
 * Bundles the agent and its commands into one file for the container image: `node scripts/bundle.ts [DIRECTORY]`, by
 * default dist/. Beside it come the protocol definition, which is read at run time, and the licences of what is inside.
 */
const root = fileURLToPath(new URL('..', import.meta.url));
const directory = process.argv[2] ?? join(root, 'dist');
const outfile = join(directory, 'nodetender.mjs');

const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };

await mkdir(directory, { recursive: true });
await build({
  absWorkingDir: root,
  entryPoints: ['agent/main.ts'],
  outfile,
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  // Names stay, so that the stack of a defect can be read.
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'linked',
  define: { NODETENDER_VERSION: JSON.stringify(version), NODETENDER_COMMIT: JSON.stringify(commit()) },
  banner: {
    // Dependencies in CommonJS call require(), which an ES module does not have.
    js: "import { createRequire as createRequireOfBundle } from 'node:module'; const require = createRequireOfBundle(import.meta.url);",
  },
  logLevel: 'warning',
});
await copyFile(join(root, 'proto/cri.proto'), join(directory, 'cri.proto'));
const { size } = await stat(outfile);
console.log(`${outfile}: ${Math.round(size / 1024)} KiB, version ${version}, commit ${commit()}`);

/** Of the checkout, or as an image build without a repository gives it. */
function commit(): string {
  const given = process.env['NODETENDER_COMMIT'];
  if (given !== undefined && given !== '') return given;
  try {
    return execFileSync('git', ['rev-parse', '--short=12', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}
