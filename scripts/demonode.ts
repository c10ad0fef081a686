import { access, constants, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isNodetenderError } from '../agent/errors.ts';
import { findRuntimeEndpoint, socketPath } from '../agent/runtime/sockets.ts';
import { measuredCost } from '../test/emulators/runtime/garbage-collector.ts';
import { liveThroughPast } from '../test/emulators/runtime/past.ts';
import { fillRealistically } from '../test/emulators/runtime/realistic.ts';
import { RuntimeServer } from '../test/emulators/runtime/server.ts';
import { RuntimeStore } from '../test/emulators/runtime/store.ts';
import { command, deadlineMs, print, run, say, startAgent } from './demostage.ts';

const configuration = `# The demonstration's configuration
http: { address: 127.0.0.1:0 }
images:
  minUnused: 7d
  keep:
    - registry.example/platform/*
  keepNewestTags:
    - { repository: registry.example/shop/*, count: 2 }
`;

/** One node: what is on it, what would go and why, a cleaning with a pod that starts meanwhile, the metrics. */
export async function demonstrateNode(folder: string): Promise<void> {
  const directory = join(folder, 'node');
  await mkdir(directory);
  const store = new RuntimeStore({ cost: measuredCost });
  fillRealistically(store, { images: 300, seed: 1 });
  const server = new RuntimeServer({ store, socketPath: join(directory, 'containerd.sock') });
  await server.start();
  const state = join(directory, 'state');
  await liveThroughPast(store, { directory: state, days: 12, nowMs: Date.now() });
  const config = join(directory, 'nodetender.yaml');
  await writeFile(config, configuration);
  const unseen = ['--runtime-endpoint', server.endpoint, '--state-dir', state, '--config', config];

  say(
    `A node: ${store.images.size} images, ${store.containers.size} containers, an agent that has watched for 12 days.`,
  );
  print(configuration.trimEnd().replaceAll(/^/gm, '    '));
  print('\n');

  say('What is there, what would happen to it, and why');
  await command(['images'], { lines: 14, unseen });

  say('What a cleaning by the policy would remove: a dry run');
  await command(['clean', '--dry-run', '--min-unused', '7d'], { lines: 8, unseen });
  const lastToGo = lastPlannedTag(await run(['clean', '--dry-run', '--min-unused', '7d', '-o', 'json', ...unseen]));

  say('The agent. It is told to clean now (SIGUSR1), and meanwhile a pod starts from an image that was to go');
  let removed = 0;
  const agent = startAgent(unseen, ({ msg, image, reason }) => {
    const isMany = msg === 'image removed';
    if (isMany) removed += 1;
    if (!isMany || removed <= 5) print(`    ${msg}${image === undefined ? '' : ` ${image}: ${reason}`}\n`);
    if (isMany && removed === 6) print('    …\n');
  });
  const { port } = await agent.logged('metrics and health are served');
  await agent.logged('container runtime');
  agent.process.kill('SIGUSR1');
  await agent.logged('run began');
  await aPodStartsMeanwhile(store, lastToGo);
  const counts = (await agent.logged('run ended')) as unknown as Record<string, number>;
  print(`    ${counts['removed']} removed, ${counts['skipped']} left after all, ${counts['failed']} failed, `);
  print(`${counts['kept']} kept; ${store.images.size} images are on the node now.\n`);

  const metrics = `http://127.0.0.1:${String(port)}/metrics`;
  say(`Metrics: ${metrics}`);
  print(await chosenMetrics(metrics));
  await agent.stop();
  await server.stop();
}

/** Says how to see the same on this machine, where it has a container runtime. */
export async function sayHowToUseIt(): Promise<void> {
  try {
    const endpoint = await findRuntimeEndpoint();
    await access(socketPath(endpoint), constants.R_OK | constants.W_OK);
    say(`This machine has a container runtime at ${endpoint}. To see what would go there, changing nothing:`);
  } catch (error) {
    if (!isNodetenderError(error) && !(error instanceof Error && 'code' in error)) throw error;
    say('No container runtime of this machine can be reached. On a host with one, as root:');
  }
  print('    npx nodetender images\n    npx nodetender clean --dry-run\n');
}

function lastPlannedTag(json: string): string {
  const { planned } = JSON.parse(json) as { planned: { tags: string[] }[] };
  const tag = planned.findLast(({ tags }) => tags.length > 0)?.tags[0];
  if (tag === undefined) throw new Error('the dry run plans to remove no image with a tag');
  return tag;
}

/** As soon as the first image is gone, a container starts from one that would go last. */
async function aPodStartsMeanwhile(store: RuntimeStore, tag: string): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  while (store.removals.length === 0 && Date.now() < deadline) await delay(5);
  const pod = { namespace: 'search', name: 'rollback-7d9f', uid: 'rollback' };
  store.createContainer({ image: tag, name: 'app', pod });
}

async function chosenMetrics(address: string): Promise<string> {
  const page = await (await fetch(address, { signal: AbortSignal.timeout(deadlineMs) })).text();
  const chosen = page
    .split('\n')
    .filter((line) => /^nodetender_(images|run|build|last)[a-z_]*[{ ].*[1-9]/.test(line))
    .filter((line) => !line.includes('_bucket') && !line.endsWith(' 0'));
  return `${chosen.map((line) => `    ${line}`).join('\n')}\n`;
}
