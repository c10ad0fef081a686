import { nodeAnnotations, annotationPrefix, stateLabel } from '../../../agent/cluster/names.ts';
import type { LeaseObject, NodeObject, PodObject } from '../../../agent/cluster/objects.ts';
import type { ObjectStore, Change } from '../../emulators/kubernetes/store.ts';
import type { Machine } from './machine.ts';
import type { Author } from './network.ts';
import { isHolder, recordOf } from './record.ts';
import { type Counts, count } from './tally.ts';

/** What must hold after every change of an object and at every order to a host; those of images are watched elsewhere. */
export const invariants = {
  budget: 'no more nodes of a pool are away than may be',
  lease: 'a Lease is written by its holder, or where it is free',
  cordon: 'no cordon but our own is taken away',
  proof: 'nothing but another boot ID counts as a reboot',
  health: 'slot and cordon are given back after a reboot only by a node that was well for the soak',
  record: 'what the next life must know stands on the Node before the effect',
  order: 'a reboot is ordered with a slot just confirmed, a cordon and an empty node',
  word: 'no reboot is ordered on a node that a person holds',
  visible: 'a reboot that is wanted and not done is told on the Node',
  sane: 'no step fails by a defect, and none is repeated in a storm',
  end: 'in peace everybody reboots that wants to, and gives back what it has taken',
} as const;
export type Invariant = keyof typeof invariants;

const away: ReadonlySet<string> = new Set(['cordoned', 'draining', 'rebooting']);
/** A person's act that the agent cannot have heard of. */
const unheardMs = 60_000;
/** Watches that were cut are begun anew by then. */
const wordHeardMs = 2 * 60_000;
/** What the configuration says when a slot is checked holds until its node is cordoned. */
const cordonedWithinMs = 180_000;
const confirmedWithinMs = 60_000;

/** What a machine's past says. Times are monotonic. */
interface Account {
  cordonedBy: 'agent' | 'person' | undefined;
  bootsAtCordon: number;
  readonly bootsAtTake: Map<string, number>;
  confirmedAtMs: number;
  /** Since a person has freed its slot, until it has heard of it. */
  slotFreedAtMs: number | undefined;
  uncordonedAtMs: number;
  heldSinceMs: number | undefined;
  nodeGoneAtMs: number;
  /** Since when there is the Node that there is now. */
  registeredAtMs: number;
  /** In this boot, by the kubelet. */
  wellSinceMs: number | undefined;
  wellInBoot: string;
  /** Of all numbers of slots that its configuration has had shortly before it was cordoned, the greatest. */
  allowed: number;
  readonly numbers: { readonly slots: number; readonly sinceMs: number }[];
  /** It has said that its cordon stays, and why. */
  leavesCordon: boolean;
}

export interface RefereeOptions {
  readonly store: ObjectStore;
  readonly author: Author;
  readonly machines: ReadonlyMap<string, Machine>;
  readonly soakMs: number;
  readonly nowMs: () => number;
  readonly checks: Counts;
}

/** Keeps its own account of who did what, from the store and from those that the agents act upon, and blows the whistle. */
export class Referee {
  violation: string | undefined;
  /** Somebody has made watches hang: it takes a while until an agent gives up one that has had no bookmark. */
  watchesHang = false;
  readonly #options: RefereeOptions;
  readonly #accounts = new Map<string, Account>();

  constructor(options: RefereeOptions) {
    this.#options = options;
    options.store.listen((change) => this.#changed(change));
  }

  fail(invariant: Invariant, text: string): void {
    this.violation ??= `${invariant}: ${text} (${invariants[invariant]})`;
  }

  checked(invariant: Invariant): void {
    count(this.#options.checks, invariant);
  }

  /** A machine's agent reads another number of slots from now on. */
  configured(name: string, slots: number): void {
    this.#of(name).numbers.push({ slots, sinceMs: this.#options.nowMs() });
  }

  isCordonedByPerson(name: string): boolean {
    return this.#of(name).cordonedBy === 'person';
  }

  leavesCordon(name: string): boolean {
    return this.#of(name).leavesCordon;
  }

  /** Somebody has damaged its record: a cordon, of which nobody knows whose it is, stays. */
  damaged(name: string): void {
    this.#of(name).leavesCordon = true;
  }

  /** Before the host hears of it. */
  ordered({ name }: Machine): void {
    const { nowMs } = this.#options;
    const account = this.#of(name);
    const node = this.#nodes().find(({ metadata }) => metadata.name === name);
    this.checked('order');
    this.checked('word');
    if (node === undefined) {
      if (nowMs() - account.nodeGoneAtMs > unheardMs) this.fail('order', `${name} has no Node and reboots`);
      return;
    }
    const phase = node.metadata.labels?.[stateLabel];
    if (phase !== 'rebooting') this.fail('record', `${name} reboots, and its Node says ${phase}`);
    if (nowMs() - account.confirmedAtMs > confirmedWithinMs) this.fail('order', `${name} reboots without a last word`);
    if (node.spec?.unschedulable !== true && nowMs() - account.uncordonedAtMs > unheardMs) {
      this.fail('order', `${name} reboots without a cordon`);
    }
    const pod = this.#pods().find(({ spec, metadata }) => spec?.nodeName === name && !metadata.deletionTimestamp);
    if (pod !== undefined && node.spec?.unschedulable === true && nowMs() - account.uncordonedAtMs > 2 * unheardMs) {
      this.fail('order', `${name} reboots under ${pod.metadata.name}`);
    }
    if (this.#heardForMs(name, account.heldSinceMs ?? nowMs()) > wordHeardMs) {
      this.fail('word', `${name} reboots, and is held`);
    }
  }

  #changed(change: Change): void {
    switch (change.storedAs) {
      case 'nodes':
        this.#nodeChanged(change);
        break;
      case 'leases.coordination.k8s.io':
        this.#leaseChanged(change);
        break;
      case 'pods':
        this.#podChanged(change);
        return;
      default:
        return;
    }
    this.#checkBudget();
  }

  #nodeChanged({ type, object, previous }: Change): void {
    const node = object as unknown as NodeObject;
    const before = previous as unknown as NodeObject | undefined;
    const { name } = node.metadata;
    const account = this.#of(name);
    const nowMs = this.#options.nowMs();
    if (type === 'DELETED') {
      Object.assign(account, {
        cordonedBy: undefined,
        heldSinceMs: undefined,
        nodeGoneAtMs: nowMs,
        leavesCordon: false,
      });
      account.slotFreedAtMs = undefined;
      return;
    }
    if (before === undefined) account.registeredAtMs = nowMs;
    const held = node.metadata.annotations?.[annotationPrefix + nodeAnnotations.hold] !== undefined;
    account.heldSinceMs = held ? (account.heldSinceMs ?? nowMs) : undefined;
    this.#noteHealth(node, account);
    const phase = node.metadata.labels?.[stateLabel] ?? '';
    if (phase !== before?.metadata.labels?.[stateLabel]) {
      if (away.has(phase) && !away.has(before?.metadata.labels?.[stateLabel] ?? ''))
        account.allowed = this.#allowed(account);
      // It has taken another slot, or given up.
      if (!away.has(phase)) account.slotFreedAtMs = undefined;
    }
    this.#checkRecord(node, before);
    const is = node.spec?.unschedulable === true;
    const was = before?.spec?.unschedulable === true;
    if (is && !was) this.#cordoned(node, account);
    if (was && !is) this.#uncordoned(node, account);
  }

  #cordoned(node: NodeObject, account: Account): void {
    const { author } = this.#options;
    account.cordonedBy = author.current === undefined ? 'person' : 'agent';
    account.bootsAtCordon = this.#boots(node.metadata.name);
    if (author.current === undefined) return;
    account.leavesCordon = false;
    this.checked('record');
    const { phase, slot } = recordOf(node) ?? {};
    if (phase !== 'cordoned' || slot === undefined) {
      this.fail('record', `${node.metadata.name} is cordoned by its agent, and its record says ${phase} with ${slot}`);
    } else if (!this.#holds(node, slot) && account.slotFreedAtMs === undefined && !author.current.isLate) {
      this.fail('record', `${node.metadata.name} is cordoned by its agent, and does not hold ${slot}`);
    }
  }

  #uncordoned(node: NodeObject, account: Account): void {
    const { author, nowMs } = this.#options;
    const { cordonedBy } = account;
    account.cordonedBy = undefined;
    if (author.current === undefined) {
      account.uncordonedAtMs = nowMs();
      return;
    }
    this.checked('cordon');
    if (cordonedBy !== 'agent')
      this.fail('cordon', `${node.metadata.name} was cordoned by an admin and is not any more`);
    this.#checkHealth(node.metadata.name, account, account.bootsAtCordon, 'is uncordoned');
  }

  /** Of a record that its agent writes: which boot it is of, and what it says of reboots. */
  #checkRecord(node: NodeObject, before: NodeObject | undefined): void {
    const key = annotationPrefix + nodeAnnotations.rebootStatus;
    const { author, machines } = this.#options;
    if (author.current === undefined || node.metadata.annotations?.[key] === before?.metadata.annotations?.[key])
      return;
    const now = recordOf(node);
    const code = now?.reason?.code;
    if (code === 'left-cordoned' || code === 'record-damaged') this.#of(node.metadata.name).leavesCordon = true;
    const then = before && recordOf(before);
    const proven = now?.lastReboot?.bootId;
    if (proven === undefined || proven === then?.lastReboot?.bootId) return;
    this.checked('proof');
    const { host } = machines.get(node.metadata.name) ?? {};
    const isTrue = host?.boots.includes(proven) === true && then?.bootId !== undefined && then.bootId !== proven;
    if (!isTrue)
      this.fail('proof', `${node.metadata.name} says that it was rebooted, and was not: ${then?.bootId} → ${proven}`);
  }

  #leaseChanged({ type, object, previous }: Change): void {
    const { author, nowMs } = this.#options;
    const lease = object as unknown as LeaseObject;
    const before = previous as unknown as LeaseObject | undefined;
    const holder = type === 'DELETED' ? '' : (lease.spec?.holderIdentity ?? '');
    const held = before?.spec?.holderIdentity ?? '';
    const by = author.current;
    if (by === undefined) {
      if (held !== '' && held !== holder) this.#of(held).slotFreedAtMs = nowMs();
      return;
    }
    this.checked('lease');
    const account = this.#of(by.machine);
    const { name } = lease.metadata;
    if (held !== '' && held !== by.machine) {
      this.fail('lease', `${by.machine} writes ${name}, which ${held} holds`);
    }
    if (holder === by.machine && held !== holder) {
      account.bootsAtTake.set(name, this.#boots(by.machine));
      // It may be away from here on by a power cut, too.
      account.allowed = this.#allowed(account);
    }
    if (holder === by.machine && held === holder) account.confirmedAtMs = nowMs();
    if (held === by.machine && holder === '' && !by.isLate) {
      const node = this.#nodes().find(({ metadata }) => metadata.name === by.machine);
      const isRecorded = node !== undefined && recordOf(node)?.slot === name;
      if (isRecorded) this.#checkHealth(by.machine, account, account.bootsAtTake.get(name) ?? 0, `gives back ${name}`);
    }
  }

  #podChanged({ type, object, previous }: Change): void {
    const { author } = this.#options;
    const by = author.current;
    const isGoing = type === 'DELETED' || (object as unknown as PodObject).metadata.deletionTimestamp !== undefined;
    if (by === undefined || by.isLate || !isGoing || previous === undefined) return;
    this.checked('record');
    const node = this.#nodes().find(({ metadata }) => metadata.name === by.machine);
    const phase = node?.metadata.labels?.[stateLabel];
    const isOurs = (object as unknown as PodObject).spec?.nodeName === by.machine;
    // A drain of the Node that was there before, of whose end its agent has yet to hear.
    if (isOurs && this.#heardForMs(by.machine, this.#of(by.machine).registeredAtMs) < wordHeardMs) return;
    // Whoever has been told to stop may have asked a moment before.
    if (!isOurs || (node !== undefined && !['draining', 'releasing', 'backing-off'].includes(phase ?? ''))) {
      this.fail('record', `${by.machine} evicts ${object.metadata.name}, and its Node says ${phase}`);
    }
  }

  /** For how long something has been so while the machine could be reached. */
  #heardForMs(machine: string, sinceMs: number): number {
    const { machines, nowMs } = this.#options;
    const wholeSinceMs = machines.get(machine)?.network.wholeSinceMs ?? nowMs();
    return nowMs() - Math.max(sinceMs, wholeSinceMs);
  }

  #checkHealth(name: string, { wellSinceMs }: Account, bootsBefore: number, what: string): void {
    const { nowMs, soakMs } = this.#options;
    if (bootsBefore === 0 || this.#boots(name) <= bootsBefore) return;
    this.checked('health');
    const wellMs = wellSinceMs === undefined ? 0 : nowMs() - wellSinceMs;
    if (wellMs < soakMs) this.fail('health', `${name} ${what} after it was well for ${wellMs} ms`);
  }

  #noteHealth({ metadata, status }: NodeObject, account: Account): void {
    const { machines, nowMs } = this.#options;
    const bootId = machines.get(metadata.name)?.host.boot.bootId ?? '';
    if (account.wellInBoot !== bootId) {
      account.wellInBoot = bootId;
      account.wellSinceMs = undefined;
    }
    const isReady = status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true;
    if (isReady && status?.nodeInfo?.bootID === bootId) account.wellSinceMs ??= nowMs();
  }

  #checkBudget(): void {
    this.checked('budget');
    const gone = this.#nodes().filter((node) => {
      const { name, labels } = node.metadata;
      const phase = labels?.[stateLabel] ?? '';
      // One that boots without having asked for it has to show that it is well, too: it counts only with a slot that it went by.
      const isAway = away.has(phase) || (phase === 'verifying' && this.#wentBySlot(node));
      return isAway && this.#of(name).slotFreedAtMs === undefined;
    });
    if (gone.length < 2) return;
    const limit = Math.max(...gone.map(({ metadata }) => this.#of(metadata.name).allowed));
    if (gone.length <= limit) return;
    const names = gone.map(({ metadata }) => `${metadata.name} (${metadata.labels?.[stateLabel]})`).join(', ');
    this.fail('budget', `${gone.length} of ${limit} are away: ${names}`);
  }

  #allowed({ numbers }: Account): number {
    const sinceMs = this.#options.nowMs() - cordonedWithinMs;
    // The last one before that moment was still in force then.
    const first = numbers.findLastIndex((number) => number.sinceMs <= sinceMs);
    return Math.max(...numbers.slice(Math.max(0, first)).map(({ slots }) => slots), 0);
  }

  #holds({ metadata }: NodeObject, slot: string): boolean {
    return this.#leases().some((lease) => lease.metadata.name === slot && isHolder(lease, metadata));
  }

  /** A write that came late may have taken one for a node that never knew, or never looked how many were held. */
  #wentBySlot(node: NodeObject): boolean {
    const held = this.#leases().filter((lease) => isHolder(lease, node.metadata));
    const recorded = recordOf(node)?.slot;
    if (held.some(({ metadata }) => metadata.name === recorded)) return true;
    return held.length > 0 && this.#of(node.metadata.name).cordonedBy === 'agent';
  }

  #boots(name: string): number {
    return this.#options.machines.get(name)?.host.boots.length ?? 0;
  }

  #nodes(): NodeObject[] {
    return this.#options.store.list({ storedAs: 'nodes' });
  }

  #pods(): PodObject[] {
    return this.#options.store.list({ storedAs: 'pods' });
  }

  #leases(): LeaseObject[] {
    return this.#options.store.list({ storedAs: 'leases.coordination.k8s.io' });
  }

  #of(name: string): Account {
    let account = this.#accounts.get(name);
    if (account === undefined) {
      account = {
        cordonedBy: undefined,
        bootsAtCordon: 0,
        bootsAtTake: new Map(),
        confirmedAtMs: Number.NEGATIVE_INFINITY,
        slotFreedAtMs: undefined,
        uncordonedAtMs: Number.NEGATIVE_INFINITY,
        heldSinceMs: undefined,
        nodeGoneAtMs: Number.NEGATIVE_INFINITY,
        registeredAtMs: Number.NEGATIVE_INFINITY,
        wellSinceMs: undefined,
        wellInBoot: '',
        allowed: 0,
        numbers: [],
        leavesCordon: false,
      };
      this.#accounts.set(name, account);
    }
    return account;
  }
}
