import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Flags of Node for the agent, in the image's command line because NODE_OPTIONS refuses some of them. The optimizing
 * compilers are off: they would cost 24 MB (of 100) to spare 0.3 ms of CPU per removal; so is the one that only compiles,
 * Sparkplug, which costs 3 MB and spares nothing that can be measured. 10,000 images fit into the heap.
 */
export const nodeFlags: readonly string[] = [
  '--optimize-for-size',
  '--max-semi-space-size=1',
  '--max-old-space-size=128',
  '--no-opt',
  '--no-maglev',
  '--no-sparkplug',
];

/**
 * For the C library, before the process begins: an arena for each thread, and a threshold that grows with what was freed once,
 * keep 5 MB that nobody uses.
 */
export const nodeEnvironment: Readonly<Record<string, string>> = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_TRIM_THRESHOLD_: '131072',
};

/** Reads kubeconfigs and runs their exec plugins: two thirds of all code, and a pod of a cluster has no use for it. */
const kubeconfigModule = '@kubernetes/client-node/dist/config.js';
const kubeconfigFile = 'kubeconfig.cjs';

/** Its text in a file of its own is not in memory unless it is asked for. */
const apart: Plugin = {
  name: 'apart',
  setup(bundler) {
    bundler.onResolve({ filter: /^@kubernetes\/client-node\/dist\/config\.js$/ }, ({ kind }) =>
      kind === 'dynamic-import' ? { path: `./${kubeconfigFile}`, external: true } : undefined,
    );
  },
};

export interface BundleOptions {
  /** Where nodetender.cjs goes; made where it is missing. */
  readonly directory: string;
  /** Default: the agent and its commands. */
  readonly entry?: string;
}

/**
 * Bundles the agent and its commands into one file, nodetender.cjs. Beside it come the protocol definition and the reader
 * of kubeconfigs, which are read at run time, and the licences of what is inside.
 */
export async function bundle({ directory, entry = 'agent/main.ts' }: BundleOptions): Promise<string> {
  const version = given('NODETENDER_VERSION') ?? (await versionOfCheckout());
  const commit = given('NODETENDER_COMMIT') ?? currentCommit();
  const outfile = join(directory, 'nodetender.cjs');
  await mkdir(directory, { recursive: true });
  const common = {
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    target: 'node24',
    // Node's loader of ES modules costs 5 MB of memory that this one file has no use for.
    format: 'cjs',
    // Names stay, so that the stack of a defect can be read.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'linked',
    logLevel: 'warning',
  } as const;
  await build({ ...common, entryPoints: [kubeconfigModule], outfile: join(directory, kubeconfigFile) });
  await build({
    ...common,
    entryPoints: [entry],
    outfile,
    plugins: [apart],
    define: {
      NODETENDER_VERSION: JSON.stringify(version),
      NODETENDER_COMMIT: JSON.stringify(commit),
      'import.meta.url': 'urlOfBundle',
    },
    banner: { js: "const urlOfBundle = require('node:url').pathToFileURL(__filename).href;" },
  });
  await copyFile(join(root, 'proto/cri.proto'), join(directory, 'cri.proto'));
  const { size } = await stat(outfile);
  return `${outfile}: ${Math.round(size / 1024)} KiB, version ${version}, commit ${commit}`;
}

/** What an image build, which has no repository, says by its arguments. */
function given(name: string): string | undefined {
  const value = process.env[name];
  return value === '' ? undefined : value;
}

async function versionOfCheckout(): Promise<string> {
  return (JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }).version;
}

function currentCommit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short=12', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}

// `node scripts/bundle.ts [DIRECTORY]`, by default dist/.
if (import.meta.main) console.log(await bundle({ directory: process.argv[2] ?? join(root, 'dist') }));
