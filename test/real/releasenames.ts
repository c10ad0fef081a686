import { readFileSync } from 'node:fs';

import { parse } from 'yaml';

interface Step {
  readonly name?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, string>>;
}

/** What a release publishes, and under which names. */
export interface ReleaseNames {
  /** `NAME:TAG`. */
  readonly image: string;
  /** `linux/…`, with commas. */
  readonly platforms: string;
  /** Folder of the chart, as `helm push` takes it: `oci://…`. */
  readonly charts: string;
  /** Arguments of scripts/manifest. */
  readonly manifestArguments: readonly string[];
}

function file(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
}

export const { version } = parse(file('package.json')) as { version: string };

/** As the workflow has them; `registry` stands for the one that it logs in to, with the owner of the repository. */
export function releaseNames(registry: string): ReleaseNames {
  const text = file('.github/workflows/release.yaml')
    .replaceAll(/\$\{\{ env\.(\w+) \}\}/gu, '$$$1')
    .replaceAll('$REGISTRY', registry)
    .replaceAll('$VERSION', version);
  const { jobs } = parse(text) as { jobs: { publish: { steps: Step[] } } };
  const step = (name: string): Step => {
    const found = jobs.publish.steps.find((step) => step.name === name);
    if (found === undefined) throw new Error(`the workflow of a release has no step named ${name}`);
    return found;
  };
  const images = step('images').with ?? {};
  return {
    image: images['tags'] ?? '',
    platforms: images['platforms'] ?? '',
    charts: found(step('chart').run, /^helm push "nodetender-.*\.tgz" "(oci:.*)"$/mu),
    manifestArguments: found(step('plain manifest').run, /^scripts\/manifest (.*) >nodetender\.yaml$/mu)
      .replaceAll('"', '')
      .split(' '),
  };
}

function found(text: string | undefined, pattern: RegExp): string {
  const [, match] = pattern.exec(text ?? '') ?? [];
  if (match === undefined) throw new Error(`expected ${pattern} in the workflow of a release, found: ${text}`);
  return match;
}
