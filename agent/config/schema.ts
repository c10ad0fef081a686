import * as z from 'zod/mini';
import {
  choice,
  count,
  duration,
  durationOrNever,
  field,
  flag,
  list,
  mapping,
  optional,
  percentage,
  section,
  size,
} from './fields.ts';
import type { Path } from './problems.ts';
import { rebootSection } from './rebootschema.ts';
import {
  absolutePath,
  cron,
  imageRule,
  labelSelector,
  listenAddress,
  namespaceName,
  nodeName,
  repositoryPattern,
  timeZone,
  unixSocket,
} from './texts.ts';

/** Every key of the configuration file: its kind and bounds, its default, and what it means. Nothing else knows them. */
export const schema = section('Configuration of the Nodetender agent.', {
  stateDirectory: field(
    absolutePath,
    '/var/lib/nodetender',
    'Directory that outlives the agent: when images were first seen and last used, and when the last run was.',
  ),

  runtime: section('The container runtime.', {
    endpoint: optional(unixSocket, 'Socket of its CRI. The first of the usual places that has one, when left out.'),
  }),

  log: section('The log on standard output, one JSON object per line.', {
    level: field(
      choice(['trace', 'debug', 'info', 'warn', 'error']),
      'info',
      'The least severe level that is written.',
    ),
  }),

  http: section('Metrics and health.', {
    address: field(
      listenAddress,
      '[::]:8080',
      'Where /metrics, /healthz and /readyz are served: by default every address, of IPv4 and IPv6. "" serves them nowhere.',
    ),
  }),

  images: section('Cleanup of images nobody needs.', {
    enabled: field(flag(), true, 'Whether anything is removed by schedule or watermark. Use is recorded all the same.'),

    schedule: section(
      'When a cleanup starts.',
      {
        every: optional(
          duration('1m', '366d'),
          'Time from one cleanup to the next; 7d when neither it nor cron is given.',
        ),
        cron: optional(cron, 'Five cron fields or a nickname such as @daily, in place of every.'),
        timeZone: field(timeZone, 'UTC', 'IANA time zone in which cron is read.'),
        jitter: field(
          duration('0s', '1d'),
          '30m',
          'Random delay of at most this long, so that not all nodes clean at once.',
        ),
        runAtStart: field(
          flag(),
          false,
          'Clean once when the agent starts for the first time, instead of waiting for the schedule.',
        ),
      },
      ({ every, cron }) =>
        every && cron ? { key: 'cron', what: 'expected either every or cron, found both; remove one' } : undefined,
    ),

    minUnused: field(duration('0s', '3660d'), '7d', 'An unused image goes when nothing has used it for this long.'),
    removeUnused: field(
      flag(),
      true,
      'Remove unused images. When false, only what a remove rule matches goes, and orphans.',
    ),
    keep: field(list(imageRule, 1000), [], 'Rules for images that always stay.'),
    remove: field(list(imageRule, 1000), [], 'Rules for images that go as soon as nothing uses them. keep wins.'),
    keepPreloaded: field(flag(), false, 'Keep every image that was on the node when the agent first looked at it.'),
    keepNewestTags: field(
      list(
        mapping({
          repository: repositoryPattern.check(z.describe('Repository, or a pattern of repositories.')),
          count: count(1, 1000).check(z.describe('How many of its newest tags stay.')),
        }),
        1000,
      ),
      [],
      'Repositories whose newest tags stay.',
    ),
    systemImages: field(
      choice(['keep', 'remove-even-pause-images']),
      'keep',
      'Images that every pod start needs, such as pause. Removing them breaks nodes that cannot pull them again.',
    ),
    removeOrphans: field(
      flag(),
      true,
      'Remove records that have lost their last tag and digest without waiting for minUnused.',
    ),

    budget: section('What one cleanup may remove at most. The rest waits for the next.', {
      images: optional(count(1, 1_000_000), 'Number of images. Unlimited when left out.'),
      bytes: optional(size('1', '1Pi'), 'Sum of their sizes. Unlimited when left out.'),
    }),

    disk: section(
      'Cleanup as soon as the disk fills up, beside the schedule.',
      {
        startAbove: optional(
          percentage('1%', '99%'),
          'Use of the file system above which a cleanup starts. Off when left out.',
        ),
        stopBelow: field(percentage('0%', '98%'), '80%', 'Use below which that cleanup stops.'),
        minUnused: field(duration('0s', '3660d'), '1h', 'Takes the place of images.minUnused in that cleanup.'),
        path: optional(
          absolutePath,
          'A path on the file system to measure. The one that holds the images, when left out.',
        ),
        checkEvery: field(duration('10s', '1d'), '1m', 'Time between two looks at the disk.'),
      },
      ({ startAbove, stopBelow }) =>
        startAbove && stopBelow !== undefined && stopBelow >= startAbove
          ? { key: 'stopBelow', what: `expected less than startAbove (${startAbove}%), found ${stopBelow}%; set both` }
          : undefined,
    ),

    pace: field(
      z.union(
        [
          choice(['gentle', 'fast']),
          mapping({
            burst: field(count(1, 1000), 64, 'Images removed together.'),
            pause: field(duration('0s', '10m'), '500ms', 'Rest after each burst.'),
            slowCall: field(duration('100ms', '10m'), '2s', 'A removal that takes longer halves the next burst.'),
          }),
        ],
        { error: 'gentle, fast or a mapping of burst, pause and slowCall' },
      ),
      'gentle',
      'How hard the runtime is worked: gentle is not felt by pods that start meanwhile, fast is soonest done.',
    ),
    sampleEvery: field(duration('10s', '1d'), '5m', 'Time between two looks at which images are in use.'),
  }),

  cluster: section('The Kubernetes cluster that this node belongs to.', {
    enabled: field(
      z.union([choice(['auto']), flag()], { error: 'auto, true or false' }),
      'auto',
      'Whether to follow the API server. auto: when the agent is a pod, or was given a kubeconfig.',
    ),
    nodeName: optional(nodeName, 'Name of the Node that this is. --node-name, else NODE_NAME, when left out.'),
    namespace: optional(namespaceName, 'Namespace of the agent. The one of its pod or kubeconfig, when left out.'),
    unreachableLimit: field(
      durationOrNever('1m', '366d'),
      '10m',
      'Nothing is removed, and no reboot goes on, when the API server has not been heard for this long. never: however long.',
    ),
    settle: field(
      duration('0s', '1d'),
      '10m',
      'No cleanup until a node that was drained has been schedulable and Ready for this long.',
    ),
    excludeNamespaces: optional(
      list(namespaceName, 20),
      'Namespaces of the ConfigMaps that list images to keep. The agent’s own and kube-system, when left out.',
    ),
    nodeFilter: section('The nodes that are cleaned, by schedule, watermark, annotation or ImageList.', {
      type: field(
        choice(['exclude', 'include']),
        'exclude',
        'Whether the selected nodes are left out, or alone cleaned.',
      ),
      selectors: field(
        list(labelSelector, 100),
        ['eraser.sh/cleanup.filter'],
        'Label selectors; a node is selected when one of them fits.',
      ),
    }),
    imageList: section('Eraser’s ImageLists.', {
      timeout: field(duration('1m', '1d'), '15m', 'A node that has not reported for this long counts as failed.'),
    }),
  }),

  reboot: rebootSection,
});

/** The keywords of JSON Schema that describe the file. */
export interface JsonSchema {
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly type?: string | readonly string[];
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly examples?: readonly unknown[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: boolean;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
}

/** JSON Schema (draft 7, which Helm reads too) of the file, with a description and a default for every key. */
export function jsonSchema(): JsonSchema {
  // Kept, because a file with many unknown keys asks for it at each.
  described ??= z.toJSONSchema(schema, { io: 'input', target: 'draft-7' }) as JsonSchema;
  return described;
}

let described: JsonSchema | undefined;

/** The keys known in the mapping at `path`. */
export function keysAt(path: Path): readonly string[] {
  let at: JsonSchema | undefined = jsonSchema();
  for (const key of path) at = typeof key === 'number' ? at?.items : propertiesOf(at)[String(key)];
  return Object.keys(propertiesOf(at));
}

function propertiesOf(at: JsonSchema | undefined): Readonly<Record<string, JsonSchema>> {
  return at?.properties ?? at?.anyOf?.find(({ properties }) => properties)?.properties ?? {};
}
