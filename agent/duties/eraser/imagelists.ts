import { Bell } from '../../bell.ts';
import type { Clock, Random } from '../../clock.ts';
import { type Backoff } from '../../backoff.ts';
import { retryMs } from '../../cluster/backoff.ts';
import type { Note } from '../../cluster/events.ts';
import { annotationsPatch, nodeAnnotations } from '../../cluster/names.ts';
import type { NodeView } from '../../cluster/node.ts';
import { nodes } from '../../cluster/objects.ts';
import type { KubernetesPort } from '../../cluster/port.ts';
import {
  decodeImageLists,
  encodeImageLists,
  type ImageListResult,
  type InUse,
  maxInUse,
  shortened,
} from '../../cluster/records.ts';
import { type Change, Watched } from '../../cluster/watch.ts';
import { isNodetenderError } from '../../errors.ts';
import { nameOf } from '../../images/inventory.ts';
import type { Report } from '../../images/report.ts';
import type { Logger } from '../../observe/log.ts';
import { type ImageListObject, type ImageListView, imageLists, viewOfImageList } from '../../eraser/imagelist.ts';
import { leaseSeconds, ReporterLease } from './lease.ts';
import { type ImageListRequest, runList } from './listrun.ts';
import { type NodeFilter, type NodeSkip, whySkipped } from '../../node/filter.ts';
import { leftNote } from '../../eraser/notes.ts';
import { Reporter } from './reporter.ts';
import { isDue, nextStep } from '../../eraser/run.ts';
import type { Staying } from '../../eraser/staying.ts';

export interface ImageListsOptions {
  readonly port: KubernetesPort;
  readonly nodeName: string;
  /** The agent's own. */
  readonly namespace: string;
  /** This node as it is now; undefined while there is none. `nodeChanged` is to be called when it changes. */
  readonly node: () => NodeView | undefined;
  readonly settings: () => { readonly filter: NodeFilter; readonly timeoutMs: number };
  /** One run on this node, perhaps after waiting; undefined where it could not run at all. */
  readonly clean: (request: ImageListRequest) => Promise<Report | undefined>;
  readonly tell: (note: Note) => void;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: Random;
}

/** Without the CRD there is nothing to watch; it is looked for again so rarely because an idle agent hardly asks at all. */
const absentMs = 15 * 60_000;
/** One that was there comes back soon, where a chart is installed again or an API server has just begun. */
const vanishedMs = 30_000;
/** All agents see a new list at once; who waits the shortest reports. */
const contestMs = 1_200;
/**
 * Nobody knows how many they are. With the fourth root the first of a thousand comes after 0.2 s, a handful follow before
 * they see its mark, and one alone waits a second.
 */
const contestExponent = 1 / 4;
/**
 * A reporter marks a list under way every 10 s: after this long without a mark it is gone. Who notices contests as in the
 * beginning, or a thousand would each take the Lease from the one before within seconds.
 */
const silenceMs = 30_000;
const spreadMs = 10_000;
/** Names in one line of the log. */
const maxLogged = 100;
const retry: Backoff = { firstMs: 1_000, longestMs: 60_000 };

/** A list that is run on this node. */
interface UnderWay {
  readonly end: Promise<void>;
  /** To be called when the list or the Node has changed: it may be wanted here no more. */
  readonly lookAgain: () => void;
}

/** Eraser's ImageLists: each is run once on this node, and summed up by this agent where no other does. */
export class ImageLists {
  readonly #options: ImageListsOptions;
  #lists: Watched<ImageListObject, ImageListView>;
  readonly #lease: ReporterLease;
  readonly #reporter: Reporter;
  /** Rung for the loop that runs lists here. */
  readonly #work = new Bell();
  /** Rung for the loop that looks for lists nobody counts. */
  readonly #contest = new Bell();
  /** Rung for the reporter. */
  readonly #count = new Bell();
  /** When (monotonic) to see whether anybody counts, by UID; `begun` when somebody has and should have been heard since. */
  readonly #patience = new Map<string, { readonly atMs: number; readonly begun: boolean }>();
  readonly #underWay = new Map<string, UnderWay>();
  /** Reported in this life, which the watch on the Node shows later; by name, of lists that are there. */
  readonly #results = new Map<string, ImageListResult>();
  #writing: Promise<void> = Promise.resolve();

  constructor(options: ImageListsOptions) {
    const { port, namespace, nodeName: holder, clock } = options;
    this.#options = options;
    this.#lists = this.#newWatch(() => undefined);
    this.#lease = new ReporterLease({ port, namespace, holder, clock });
    this.#reporter = new Reporter({
      ...options,
      lease: this.#lease,
      lists: () => this.#lists.values(),
      bell: this.#count,
    });
  }

  /** To be called when the Node changes: it may have become held, or known at all. */
  nodeChanged(): void {
    this.#lookAgain();
    this.#work.ring();
  }

  /** Works until `signal` aborts and what is under way has ended. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#watch(signal), this.#runDue(signal), this.#reportWhereNobodyDoes(signal)]);
    await Promise.all(Array.from(this.#underWay.values(), ({ end }) => end));
  }

  #lookAgain(): void {
    for (const { lookAgain } of this.#underWay.values()) lookAgain();
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#options;
    while (!signal.aborted) {
      const absent = new AbortController();
      // Anew each time: with the CRD its objects go, too.
      this.#lists = this.#newWatch(() => absent.abort());
      this.#patience.clear();
      await this.#lists.run(AbortSignal.any([signal, absent.signal]));
      if (signal.aborted) return;
      log.info('there is no CRD imagelists.eraser.sh; ImageLists are looked for again later');
      await clock.sleep((this.#lists.synced ? vanishedMs : absentMs) * (1 + random()), signal);
    }
  }

  #newWatch(onAbsent: () => void): Watched<ImageListObject, ImageListView> {
    const { log } = this.#options;
    return new Watched({
      ...this.#options,
      resource: imageLists,
      scope: {},
      project: viewOfImageList,
      onChange: (change) => this.#listChanged(change),
      onHealth: (problem) => {
        if (problem?.code === 'cluster/not-found') onAbsent();
        else if (problem !== undefined) log.warn({ error: problem }, 'ImageLists cannot be followed');
      },
      onUnreadable: (problem) => log.warn({ problem }, 'ImageList cannot be read; what was known of it stays in force'),
    });
  }

  #listChanged(change: Change<ImageListView>): void {
    const { clock, random } = this.#options;
    const nowMs = clock.monotonicMs();
    if (change.type === 'deleted') {
      this.#patience.delete(change.before.uid);
      this.#results.delete(change.before.name);
    } else {
      const list = change.value;
      const step = nextStep(list, list.run, this.#resultOf(list.name)?.generation);
      if (step === 'none') this.#patience.delete(list.uid);
      else if (step === 'follow')
        this.#patience.set(list.uid, { atMs: nowMs + silenceMs + spreadMs * random() ** contestExponent, begun: true });
      else this.#patience.set(list.uid, { atMs: nowMs + contestMs * random() ** contestExponent, begun: false });
    }
    this.#lookAgain();
    for (const bell of [this.#work, this.#contest, this.#count]) bell.ring();
  }

  async #runDue(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      for (const list of this.#lists.values()) {
        const key = `${list.uid}/${list.generation}`;
        if (this.#underWay.has(key) || !this.#isDue(list)) continue;
        this.#underWay.set(key, this.#begin(list, key, signal));
      }
      await this.#work.wait(signal);
    }
  }

  #isDue(list: ImageListView): boolean {
    const node = this.#options.node();
    return node !== undefined && isDue(list, { createdAt: node.createdAt, result: this.#resultOf(list.name) });
  }

  #begin(list: ImageListView, key: string, signal: AbortSignal): UnderWay {
    const { node, settings } = this.#options;
    const { name, uid, generation, rules } = list;
    const isWanted = (): boolean => {
      const now = this.#lists.get(name);
      return now?.uid === uid && now.generation === generation && this.#isDue(now);
    };
    const withdrawal = new AbortController();
    const withdrawn = AbortSignal.any([signal, withdrawal.signal]);
    let skip: NodeSkip | undefined;
    const lookAgain = (): void => {
      const view = node();
      if (view !== undefined) skip ??= whySkipped(view, settings().filter);
      if (skip !== undefined || !isWanted()) withdrawal.abort();
    };
    lookAgain();
    const request = { name, subject: key, rules, isWanted, withdrawn };
    const end = this.#handle(list, request, () => skip, signal).finally(() => {
      this.#underWay.delete(key);
      // It may have become due again while this was ending.
      this.#work.ring();
    });
    return { end, lookAgain };
  }

  async #handle(
    list: ImageListView,
    request: ImageListRequest,
    skipped: () => NodeSkip | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { settings, log, clock } = this.#options;
    const { name, uid, generation, rules } = list;
    let outcome: ImageListResult['outcome'] = 'success';
    let inUse: InUse | undefined;
    if (rules.length > 0 || skipped() !== undefined) {
      const result = await runList(request, { ...this.#options, timeoutMs: settings().timeoutMs });
      if (signal.aborted) return;
      const skip = result === undefined ? skipped() : undefined;
      // Without a reason to skip it the list itself is over, and nobody counts this node any more.
      if (result === undefined && skip === undefined) return;
      outcome = result?.outcome ?? 'skipped';
      if (skip !== undefined)
        log.info({ imageList: name, generation, reason: skip }, 'ImageList is not run on this node');
      if (result !== undefined) {
        inUse = this.#inUse(list, result.staying);
        this.#tellLeft(list, result.staying);
      }
    }
    const result = { uid, generation, outcome, at: new Date(clock.nowMs()).toISOString(), inUse };
    await this.#report(name, result, request.isWanted, signal);
  }

  /** All of it in the log; an Event for all nodes is the reporter's. */
  #inUse({ name, generation }: ImageListView, { inUse }: Staying): InUse | undefined {
    if (inUse.length === 0) return undefined;
    const images = inUse.map(({ image }) => nameOf(image));
    this.#options.log.info({ imageList: name, generation, images: images.slice(0, maxLogged) }, 'images in use stay');
    return { count: images.length, images: images.slice(0, maxInUse).map(shortened) };
  }

  #tellLeft(list: ImageListView, staying: Staying): void {
    const { node, tell } = this.#options;
    const view = node();
    if (view === undefined) return;
    const note = leftNote(list, staying, { apiVersion: 'v1', kind: 'Node', name: view.name, uid: view.uid });
    if (note !== undefined) tell(note);
  }

  /** Written on the Node one after the other, because each write is of all results. */
  async #report(name: string, result: ImageListResult, isWanted: () => boolean, signal: AbortSignal): Promise<void> {
    this.#writing = this.#writing.then(() => this.#writeAtLast(name, result, isWanted, signal));
    await this.#writing;
  }

  /** Until it is written, or nobody counts it any more. */
  async #writeAtLast(
    name: string,
    result: ImageListResult,
    isWanted: () => boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, random, log } = this.#options;
    for (let failures = 1; !signal.aborted && isWanted(); failures += 1) {
      try {
        await this.#write(name, result, signal);
        return;
      } catch (error) {
        if (!isNodetenderError(error)) throw error;
        log[failures === 1 ? 'warn' : 'debug']({ error, imageList: name }, 'result of an ImageList not written yet');
        await clock.sleep(retryMs(retry, failures, error, random), signal);
      }
    }
  }

  async #write(name: string, result: ImageListResult, signal: AbortSignal): Promise<void> {
    const { port, nodeName } = this.#options;
    const all = new Map(this.#resultsOfNode());
    for (const known of all.keys()) if (this.#lists.get(known) === undefined) all.delete(known);
    for (const [known, ours] of this.#results) {
      if (this.#lists.get(known) === undefined) this.#results.delete(known);
      else all.set(known, ours);
    }
    all.set(name, result);
    const body = annotationsPatch({ [nodeAnnotations.imageList]: encodeImageLists(all) });
    await port.patch(nodes, { name: nodeName }, { type: 'merge', body }, { signal });
    // Deleted while it was written, nobody would take it out of the map again.
    if (this.#lists.get(name) !== undefined) this.#results.set(name, result);
  }

  #resultOf(name: string): ImageListResult | undefined {
    return this.#results.get(name) ?? this.#resultsOfNode().get(name);
  }

  #resultsOfNode(): ReadonlyMap<string, ImageListResult> {
    const text = this.#options.node()?.annotations.get(nodeAnnotations.imageList);
    const results = text === undefined ? undefined : decodeImageLists(text);
    return results?.ok === true ? results.value : new Map();
  }

  async #reportWhereNobodyDoes(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#options;
    for (let failures = 0; !signal.aborted;) {
      const next = [...this.#patience.values()].toSorted((one, other) => one.atMs - other.atMs)[0];
      const waitMs = next === undefined ? Number.POSITIVE_INFINITY : next.atMs - clock.monotonicMs();
      if (waitMs > 0) {
        await this.#contestOrAfter(waitMs, signal);
        continue;
      }
      const before = new Map(this.#patience);
      let againMs = leaseSeconds * 1000 + spreadMs * random() ** contestExponent;
      try {
        if (await this.#lease.take(next?.begun === true, signal)) {
          log.info({ node: this.#options.nodeName }, 'this agent sums up ImageLists');
          await this.#reporter.conduct(signal);
          againMs = silenceMs;
        }
        failures = 0;
      } catch (error) {
        if (!isNodetenderError(error)) throw error;
        failures += 1;
        againMs = retryMs(retry, failures, error, random);
        if (!signal.aborted) log.warn({ error }, 'ImageLists could not be summed up; trying again');
      }
      // Those that are done have been taken away from the map by then, or are when the watch shows it.
      const atMs = clock.monotonicMs() + againMs;
      for (const [uid, patience] of this.#patience) {
        // A list that changed meanwhile has its own time: who has just counted it is often the only one who can take it.
        if (before.get(uid) === patience) this.#patience.set(uid, { atMs, begun: patience.begun });
      }
    }
  }

  async #contestOrAfter(ms: number, signal: AbortSignal): Promise<void> {
    if (ms === Number.POSITIVE_INFINITY) {
      await this.#contest.wait(signal);
      return;
    }
    const over = new AbortController();
    const until = AbortSignal.any([signal, over.signal]);
    await Promise.race([this.#contest.wait(until), this.#options.clock.sleep(ms, until)]);
    over.abort();
  }
}
