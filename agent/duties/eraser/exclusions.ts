import { join } from 'node:path';
import * as z from 'zod/mini';
import type { Clock, Random } from '../../clock.ts';
import type { ClusterError } from '../../cluster/errors.ts';
import { type ConfigMapObject, configMaps } from '../../cluster/objects.ts';
import type { KubernetesPort } from '../../cluster/port.ts';
import { type Change, Watched } from '../../cluster/watch.ts';
import { messageOf } from '../../errors.ts';
import { parseRule, type Rule } from '../../images/rules.ts';
import {
  readStateFile,
  setAside,
  stateFileSystem,
  type StateFileFormat,
  type StateFileSystem,
  writeStateFile,
} from '../../images/statefile.ts';
import { type ExclusionList, exclusionSelector, readExclusionList } from '../../eraser/exclusionlist.ts';

export interface ExclusionsOptions {
  readonly port: Pick<KubernetesPort, 'list' | 'watch' | 'lastHeardMs'>;
  /** Where the ConfigMaps are looked for. */
  readonly namespaces: readonly string[];
  readonly directory: string;
  /** Told once for each new problem of a ConfigMap (`namespace/name`), and once when it is gone (undefined). */
  readonly onProblem: (configMap: string, problem: string | undefined) => void;
  /** Told when the lists of a namespace cannot be followed (why), and when they can again (undefined). */
  readonly onHealth?: ((namespace: string, problem: ClusterError | undefined) => void) | undefined;
  /** Told what is in force at first and after each change. */
  readonly onChange?: ((current: ExcludedRules) => void) | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly fileSystem?: StateFileSystem | undefined;
}

/** What is kept now, or why nobody can tell: then nothing may be removed. */
export type ExcludedRules =
  | { readonly known: true; readonly rules: readonly Rule[] }
  | { readonly known: false; readonly why: string };

const neverRead = 'the exclusion lists (ConfigMaps labelled eraser.sh/exclude.list=true) were never read';

/** Rule texts by `namespace/name`, of the last good content. */
type Saved = ReadonlyMap<string, readonly string[]>;

const schema = z.object({ lists: z.array(z.tuple([z.string(), z.array(z.string())])) });

const format: StateFileFormat<Saved> = {
  name: 'nodetender/exclusions',
  version: 1,
  parse: (body) => {
    const { lists } = schema.parse(body);
    for (const [, rules] of lists) for (const rule of rules) parseRule(rule);
    return new Map(lists);
  },
};

/**
 * Eraser's exclusion ConfigMaps, live. The last good content of each is in force, across restarts too, until the ConfigMap
 * is deleted or loses its label.
 */
export class Exclusions {
  readonly #options: ExclusionsOptions;
  readonly #path: string;
  readonly #watches: readonly Watched<ConfigMapObject, ExclusionList>[];
  /** What the API server lists. */
  readonly #present = new Set<string>();
  readonly #good = new Map<string, readonly Rule[]>();
  readonly #problems = new Map<string, string>();
  /** Whether `#good` was ever whole: read from the state directory, or from all namespaces. */
  #isKnown = false;
  #isChanged = false;
  #current: ExcludedRules = { known: false, why: neverRead };
  #saveProblem: string | undefined;
  #saving: Promise<void> = Promise.resolve();

  private constructor(options: ExclusionsOptions) {
    const { port, namespaces, clock, random, directory } = options;
    this.#options = options;
    this.#path = join(directory, 'exclusions.json');
    this.#watches = [...new Set(namespaces)].map(
      (namespace) =>
        new Watched({
          port,
          resource: configMaps,
          scope: { namespace, labelSelector: exclusionSelector },
          // Never throws: that a ConfigMap is there and cannot be read must be known, too.
          project: readExclusionList,
          onChange: (change) => this.#changed(change),
          onHealth: (problem) => options.onHealth?.(namespace, problem),
          clock,
          random,
        }),
    );
  }

  /** Begins with what the state directory has. A damaged file is set aside and told; then the lists must be read anew. */
  static async open(options: ExclusionsOptions): Promise<Exclusions> {
    const exclusions = new Exclusions(options);
    await exclusions.#load();
    exclusions.#decide();
    return exclusions;
  }

  /** Follows the ConfigMaps until `signal` aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const settle = async (): Promise<void> => {
      await Promise.all(this.#watches.map((watch) => watch.whenSynced()));
      if (signal.aborted) return;
      this.#synced();
    };
    // Never settles where a namespace is never read; nobody waits for it then.
    void settle();
    await Promise.all(this.#watches.map((watch) => watch.run(signal)));
    await this.#saving;
  }

  /** The same value until something changes. */
  current(): ExcludedRules {
    return this.#current;
  }

  /** What is wrong with which ConfigMap (`namespace/name`) now. */
  get problems(): ReadonlyMap<string, string> {
    return this.#problems;
  }

  /** Why the last good content may not outlive the agent; undefined while it does. */
  get saveProblem(): string | undefined {
    return this.#saveProblem;
  }

  #decide(): void {
    this.#current = this.#inForce();
    this.#options.onChange?.(this.#current);
  }

  #inForce(): ExcludedRules {
    if (!this.#isKnown) return { known: false, why: neverRead };
    for (const [configMap, problem] of this.#problems) {
      if (this.#good.has(configMap)) continue;
      return { known: false, why: `exclusion list ${configMap} could never be read: ${problem}` };
    }
    return { known: true, rules: [...this.#good.values()].flat() };
  }

  #changed(change: Change<ExclusionList>): void {
    const { key } = change;
    this.#present.add(key);
    if (change.type === 'deleted') {
      this.#present.delete(key);
      this.#good.delete(key);
      this.#solved(key);
    } else if (change.value.ok) {
      this.#good.set(key, change.value.rules);
      this.#solved(key);
    } else if (this.#problems.get(key) !== change.value.problem) {
      this.#problems.set(key, change.value.problem);
      this.#options.onProblem(key, change.value.problem);
    }
    this.#decide();
    this.#save();
  }

  #solved(key: string): void {
    if (this.#problems.delete(key)) this.#options.onProblem(key, undefined);
  }

  /** All namespaces are read: what is still there from the state directory alone was deleted while nobody looked. */
  #synced(): void {
    for (const key of this.#good.keys()) if (!this.#present.has(key)) this.#good.delete(key);
    this.#isKnown = true;
    this.#decide();
    this.#save();
  }

  async #load(): Promise<void> {
    const { onProblem, fileSystem = stateFileSystem } = this.#options;
    const content = await readStateFile(this.#path, format, fileSystem);
    if (content.state === 'corrupt') {
      onProblem(this.#path, `${content.why}; ${await setAside(this.#path, fileSystem)}`);
      return;
    }
    if (content.state === 'fresh') return;
    for (const [key, rules] of content.value) this.#good.set(key, rules.map(parseRule));
    this.#isKnown = true;
  }

  /** Soon, and once for many changes. Nothing incomplete is saved: it would count as known after a restart. */
  #save(): void {
    if (!this.#isKnown || this.#isChanged) return;
    this.#isChanged = true;
    this.#saving = this.#saving.then(() => this.#write());
  }

  async #write(): Promise<void> {
    this.#isChanged = false;
    const lists = [...this.#good].map(([key, rules]) => [key, rules.map(({ text }) => text)]);
    try {
      await writeStateFile(this.#path, format, { lists }, this.#options.fileSystem);
      this.#saveProblem = undefined;
    } catch (error) {
      this.#saveProblem = messageOf(error);
    }
  }
}
