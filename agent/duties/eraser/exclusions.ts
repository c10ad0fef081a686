import { join } from 'node:path';
import * as z from 'zod/mini';
import type { Clock, Random } from '../../clock.ts';
import type { ClusterError } from '../../cluster/errors.ts';
import { type ConfigMapObject, configMaps } from '../../cluster/objects.ts';
import type { KubernetesPort } from '../../cluster/port.ts';
import { type Change, Watched } from '../../cluster/watch.ts';
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
  readonly onProblem: (configMap: string, problem: ListProblem | undefined) => void;
  /** Told when the lists of a namespace cannot be followed (why), and when they can again (undefined). */
  readonly onHealth?: ((namespace: string, problem: FollowProblem | undefined) => void) | undefined;
  /** Told when the last good content cannot be saved (why), and when it can again (undefined). */
  readonly onSaveProblem?: ((error: unknown) => void) | undefined;
  /** Told when what is in force, or why that is not known, may have changed. */
  readonly onChange?: (() => void) | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly fileSystem?: StateFileSystem | undefined;
}

/** What is wrong with one ConfigMap. */
export interface ListProblem {
  readonly why: string;
  /** Whether content of before stays in force; where none is known, nothing may be removed. */
  readonly hasLastGood: boolean;
}

/** Why the lists of one namespace cannot be followed. */
export interface FollowProblem {
  readonly error: ClusterError;
  /** Whether they were read before, in this life of the agent; until then nothing may be removed. */
  readonly wasRead: boolean;
}

/** What is kept now, or why nobody can tell: then nothing may be removed. */
export type ExcludedRules =
  | { readonly known: true; readonly rules: readonly Rule[] }
  | { readonly known: false; readonly why: string };

/** What is known of the lists of one namespace. */
interface Followed {
  readonly watch: Watched<ConfigMapObject, ExclusionList>;
  /** Whether all of them were read once, in this life of the agent. */
  isRead: boolean;
  /** Why they cannot be followed now. */
  problem: ClusterError | undefined;
}

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
 * is deleted or loses its label. What an earlier life saved says nothing of lists made since: nothing is known until every
 * namespace was read anew.
 */
export class Exclusions {
  readonly #options: ExclusionsOptions;
  readonly #path: string;
  /** By namespace. */
  readonly #followed: ReadonlyMap<string, Followed>;
  /** What the API server lists. */
  readonly #present = new Set<string>();
  readonly #good = new Map<string, readonly Rule[]>();
  readonly #problems = new Map<string, string>();
  #isChanged = false;
  #current: ExcludedRules;
  #lost: string | undefined;
  #isSaveRefused = false;
  #saving: Promise<void> = Promise.resolve();

  private constructor(options: ExclusionsOptions) {
    const { port, namespaces, clock, random, directory } = options;
    this.#options = options;
    this.#path = join(directory, 'exclusions.json');
    const follow = (namespace: string): Followed => ({
      watch: new Watched({
        port,
        resource: configMaps,
        scope: { namespace, labelSelector: exclusionSelector },
        // Never throws: that a ConfigMap is there and cannot be read must be known, too.
        project: readExclusionList,
        onChange: (change) => this.#changed(change),
        onHealth: (problem) => this.#health(namespace, problem),
        clock,
        random,
      }),
      isRead: false,
      problem: undefined,
    });
    this.#followed = new Map(namespaces.map((namespace) => [namespace, follow(namespace)]));
    this.#current = this.#inForce();
  }

  /** Begins with the last good content that the state directory has; a damaged file is set aside (`lost`). */
  static async open(options: ExclusionsOptions): Promise<Exclusions> {
    const exclusions = new Exclusions(options);
    await exclusions.#load();
    return exclusions;
  }

  /** Follows the ConfigMaps until `signal` aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const settle = async (namespace: string, followed: Followed): Promise<void> => {
      await followed.watch.whenSynced();
      if (!signal.aborted) this.#read(namespace, followed);
    };
    // Never settles where a namespace is never read; nobody waits for it then.
    for (const [namespace, followed] of this.#followed) void settle(namespace, followed);
    await Promise.all(Array.from(this.#followed.values(), ({ watch }) => watch.run(signal)));
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

  /** Why the last good content of the life before could not be read, and what became of it. */
  get lost(): string | undefined {
    return this.#lost;
  }

  /** The namespaces whose lists were read and may have changed without our knowing for longer than `limitMs`, in words. */
  unheard(limitMs: number): string[] {
    const nowMs = this.#options.clock.monotonicMs();
    const silent = [...this.#followed].filter(([, { watch }]) => nowMs - (watch.freshAsOfMs() ?? nowMs) > limitMs);
    return silent.map(inWords);
  }

  #decide(): void {
    this.#current = this.#inForce();
    this.#options.onChange?.();
  }

  #inForce(): ExcludedRules {
    const unread = [...this.#followed].filter(([, { isRead }]) => !isRead);
    if (unread.length > 0) {
      const lists = `exclusion lists (ConfigMaps labelled ${exclusionSelector})`;
      return { known: false, why: `${lists} not read yet: ${unread.map(inWords).join(', ')}` };
    }
    for (const [configMap, problem] of this.#problems) {
      if (this.#good.has(configMap)) continue;
      return {
        known: false,
        why: `exclusion list ${configMap} is refused, and no good content of it is known: ${problem}`,
      };
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
      this.#options.onProblem(key, { why: change.value.problem, hasLastGood: this.#good.has(key) });
    }
    this.#decide();
    this.#save();
  }

  #solved(key: string): void {
    if (this.#problems.delete(key)) this.#options.onProblem(key, undefined);
  }

  #health(namespace: string, error: ClusterError | undefined): void {
    const followed = this.#followed.get(namespace);
    if (followed === undefined) return;
    followed.problem = error;
    this.#options.onHealth?.(namespace, error === undefined ? undefined : { error, wasRead: followed.isRead });
    // It is the reason why the lists are not known.
    if (!followed.isRead) this.#decide();
  }

  #read(namespace: string, followed: Followed): void {
    followed.isRead = true;
    // What is there from the state directory alone was deleted while nobody looked, or is of a namespace no longer asked for.
    for (const key of this.#good.keys()) {
      const [of = ''] = key.split('/');
      if ((of === namespace || !this.#followed.has(of)) && !this.#present.has(key)) this.#good.delete(key);
    }
    this.#decide();
    this.#save();
  }

  async #load(): Promise<void> {
    const { fileSystem = stateFileSystem } = this.#options;
    const content = await readStateFile(this.#path, format, fileSystem);
    if (content.state === 'corrupt') {
      this.#lost = `${this.#path}: ${content.why}; ${await setAside(this.#path, fileSystem)}`;
    } else if (content.state === 'ok') {
      for (const [key, rules] of content.value) this.#good.set(key, rules.map(parseRule));
    }
  }

  /** Soon, and once for many changes. */
  #save(): void {
    if (this.#isChanged) return;
    this.#isChanged = true;
    this.#saving = this.#saving.then(() => this.#write());
  }

  async #write(): Promise<void> {
    this.#isChanged = false;
    const lists = [...this.#good].map(([key, rules]) => [key, rules.map(({ text }) => text)]);
    let refused: unknown;
    try {
      await writeStateFile(this.#path, format, { lists }, this.#options.fileSystem);
    } catch (error) {
      refused = error;
    }
    // By whether it fails, not how: the message holds the name of a file that is another with each try.
    if (this.#isSaveRefused === (refused !== undefined)) return;
    this.#isSaveRefused = refused !== undefined;
    this.#options.onSaveProblem?.(refused);
  }
}

/** `namespace kube-system (not granted)`. */
function inWords([namespace, { problem }]: readonly [string, Followed]): string {
  return `namespace ${namespace}${problem === undefined ? '' : ` (${problem.message})`}`;
}
