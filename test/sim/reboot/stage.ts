import { recordPatch } from '../../../agent/reboot/record.ts';
import { next } from '../../../agent/reboot/machine.ts';
import type { Settings } from '../../../agent/reboot/settings.ts';
import type { Effect, State, Step } from '../../../agent/reboot/state.ts';
import { type AgentLife, beginLife, observe, readRecord } from './agentlife.ts';
import { defaultSettings } from './settings.ts';
import { calm, type Surroundings } from './surroundings.ts';

type Kind = Effect['kind'];
/** What happens once, when the agent does an effect of this kind. */
export type Mishap =
  /** The agent dies. */
  | { readonly kind: 'crash'; readonly when: 'before' | 'after' }
  /** It fails, undone. */
  | { readonly kind: 'lost' }
  /** It fails, but was done. */
  | { readonly kind: 'unanswered' }
  /** It fails, and arrives only later: a write of the Node is void then if the Node has changed. */
  | { readonly kind: 'late'; readonly byMs: number };

/** After an effect that failed. */
const retryMs = 5_000;
/** Steps without time passing; more of them would be a machine that goes round in circles. */
const maxSteps = 40;
const downMs = 60_000;
const untilReadyMs = 30_000;

/** The real machine on a stage: one node, its host and one slot, in time that a scenario moves. Says what happens, line by line. */
export class Stage {
  readonly around: Surroundings;
  readonly mishaps = new Map<Kind, Mishap>();
  settings: Settings = defaultSettings;
  life: AgentLife | undefined;
  /** How far the wall clock has been set off. */
  offsetMs = 0;
  #nowMs = Date.UTC(2026, 0, 5, 12);
  #later: { readonly atMs: number; readonly happen: () => void }[] = [];
  #lines: string[] = [];
  /** In this phase: what repeats itself is said once. */
  readonly #said = new Set<string>();

  constructor() {
    this.around = calm(this.#nowMs);
    this.start();
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** What has happened since the last call. */
  takeLines(): string[] {
    const lines = this.#lines;
    this.#lines = [];
    return lines;
  }

  start(): void {
    this.life = beginLife(this.around, this.#nowMs);
    this.settle();
  }

  die(): void {
    this.life = undefined;
  }

  /** Lets time pass, with all that comes due in it. */
  pass(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const dueMs = Math.min(this.life?.lookAtMs ?? Infinity, ...this.#later.map(({ atMs }) => atMs));
      if (dueMs > endMs) break;
      this.#nowMs = Math.max(this.#nowMs, dueMs);
      const due = this.#later.filter(({ atMs }) => atMs <= this.#nowMs);
      this.#later = this.#later.filter(({ atMs }) => atMs > this.#nowMs);
      for (const { happen } of due) happen();
      this.settle();
    }
    this.#nowMs = endMs;
  }

  /** Lets the agent do all that it does without time passing. */
  settle(): void {
    for (let count = 0; this.life !== undefined; count += 1) {
      if (count === maxSteps) throw new Error(`${maxSteps} steps in one moment: ${this.#lines.slice(-3).join(' / ')}`);
      const { life } = this;
      const facts = observe(this.around, life, this.#nowMs, this.offsetMs);
      const before = life.state;
      const step = next(before, facts, this.settings, () => 0.5);
      const done = this.#doAll(step, life);
      this.#say(before, step, done);
      const last = step.effects.at(-1);
      life.lookAtMs = Math.max(this.#nowMs + 1, (last?.kind === 'wait' ? last.untilMs : 0) - this.offsetMs);
      if (done.failed) life.lookAtMs = this.#nowMs + retryMs;
      if (done.failed || step.effects.every(({ kind }) => kind === 'wait')) break;
    }
  }

  #doAll({ effects }: Step, life: AgentLife): { words: string[]; failed: boolean } {
    const words: string[] = [];
    for (const effect of effects) {
      if (effect.kind === 'wait') continue;
      const mishap = this.mishaps.get(effect.kind);
      this.mishaps.delete(effect.kind);
      if (mishap?.kind === 'crash' && mishap.when === 'before') {
        this.die();
        return { words: [...words, `the agent dies before: ${wordsOf(effect)}`], failed: true };
      }
      if (mishap?.kind === 'late') this.#arriveLate(effect, life, mishap.byMs);
      const isDone = mishap?.kind !== 'lost' && mishap?.kind !== 'late' && this.#do(effect, life);
      words.push(isDone ? wordsOf(effect) : `fails: ${wordsOf(effect)}`);
      if (mishap?.kind === 'unanswered') words.push('no answer');
      if (mishap?.kind === 'crash') {
        this.die();
        return { words: [...words, 'the agent dies'], failed: true };
      }
      if (!isDone || mishap?.kind === 'unanswered') {
        if (effect.kind === 'confirm') {
          life.unconfirmed += 1;
          life.rebootCall = { kind: 'unconfirmed', times: life.unconfirmed, reason: 'it could not be written' };
        }
        if (!this.around.apiDown) life.state = readRecord(this.around, this.#nowMs + this.offsetMs).state;
        return { words, failed: true };
      }
    }
    return { words, failed: false };
  }

  /** False where it fails. */
  #do(effect: Exclude<Effect, { kind: 'wait' }>, life: AgentLife): boolean {
    const { around } = this;
    const { slot, blockers } = around;
    const nowMs = this.#nowMs;
    switch (effect.kind) {
      case 'record':
      case 'cordon':
      case 'uncordon':
        return this.#write(effect.kind, effect.state, life);
      case 'ask':
        life.answers.set(effect.question, { askedAtMs: nowMs, blockedBy: blockers.get(effect.question) ?? [] });
        return true;
      case 'acquire':
        if (around.apiDown || (slot.holder !== undefined && slot.holder !== 'us')) return false;
        if (slot.holder === undefined) life.heldSinceMs = nowMs;
        slot.holder = 'us';
        life.checked = true;
        return true;
      case 'confirm':
        return !around.apiDown && slot.holder === 'us' && !slot.unconfirmable;
      case 'release':
        if (around.apiDown) return false;
        slot.holder = undefined;
        return true;
      case 'drain':
        if (life.drain.kind === 'none') this.#beginDrain(life, effect.ranForMs);
        return true;
      case 'stop-drain':
        life.drain = { kind: 'none' };
        return true;
      case 'reboot':
        this.#reboot(life);
        return true;
      case 'notify':
      case 'event':
        return true;
      default:
        return effect satisfies never;
    }
  }

  #write(kind: 'record' | 'cordon' | 'uncordon', state: State, life: AgentLife): boolean {
    const { node, apiDown } = this.around;
    if (apiDown) return false;
    const { labels, annotations } = recordPatch(state);
    for (const [key, value] of Object.entries(labels)) {
      if (value === null) node.labels.delete(key);
      else node.labels.set(key, value);
    }
    for (const [key, value] of Object.entries(annotations))
      node.annotations.set(key.replace('nodetender.dev/', ''), value);
    if (kind !== 'record') Object.assign(node, { unschedulable: kind === 'cordon', cordonedBySomebody: false });
    const ours = new Set(life.state.marks);
    node.marks = [...new Set([...node.marks.filter((mark) => !ours.has(mark)), ...state.marks])];
    if (state.reason !== life.state.reason) life.recordedAtMs = this.#nowMs;
    // What was written is read back: the record has room for all that the machine has to know.
    if (state.phase !== life.state.phase) life.rebootCall = { kind: 'none' };
    if (!['cordoned', 'draining', 'rebooting'].includes(state.phase)) life.unconfirmed = 0;
    life.state = readRecord(this.around, this.#nowMs + this.offsetMs).state;
    return true;
  }

  /** As with resourceVersion: nobody has changed the Node since it was sent, or the API server refuses it. */
  #arriveLate(effect: Exclude<Effect, { kind: 'wait' }>, life: AgentLife, byMs: number): void {
    const sent = fingerprintOf(this.around.node);
    this.later(byMs, () => {
      const isVoid = fingerprintOf(this.around.node) !== sent;
      this.#lines.push(`${this.#clock()} the late ${wordsOf(effect)} arrives${isVoid ? ' and is void' : ''}`);
      if (isVoid) return;
      this.#do(effect, life);
      if (this.life !== undefined) this.life.state = readRecord(this.around, this.#nowMs + this.offsetMs).state;
    });
  }

  #beginDrain(life: AgentLife, ranForMs: number): void {
    const drain = { kind: 'running', sinceMs: this.#nowMs } as const;
    const { pods } = this.around;
    life.drain = drain;
    this.later(pods.giveUpAfterMs - ranForMs, () => {
      if (life.drain === drain) life.drain = { kind: 'failed', atMs: this.#nowMs };
    });
    this.letPodsLeave();
  }

  /** Unless something is in their way. */
  letPodsLeave(): void {
    const { life, around } = this;
    const drain = life?.drain;
    this.later(around.pods.leaveWithinMs, () => {
      const isFree = around.pods.stuck === undefined;
      if (isFree && life?.drain.kind === 'running' && life.drain === drain)
        life.drain = { kind: 'done', atMs: this.#nowMs };
    });
  }

  #reboot(life: AgentLife): void {
    const { host } = this.around;
    if (typeof host.onReboot === 'object') {
      life.rebootCall = { kind: 'refused', reason: host.onReboot.refuses };
      return;
    }
    life.rebootCall = { kind: 'sent', atMs: this.#nowMs };
    host.goingDown = host.onReboot !== 'stays';
    if (host.onReboot === 'reboots') this.goDown();
  }

  /** Whoever asked for it. */
  goDown(): void {
    const { host, node } = this.around;
    this.die();
    this.later(downMs, () => {
      Object.assign(host, { boot: host.boot + 1, bootedAtMs: this.#nowMs, goingDown: false });
      if (!host.sentinelSurvives) host.sentinel = undefined;
      node.ready = false;
      this.#lines.push(`${this.#clock()} the host has booted`);
      this.later(untilReadyMs, () =>
        Object.assign(node, { ready: true, readySinceMs: this.#nowMs, reportedBoot: host.boot }),
      );
      this.start();
    });
  }

  later(ms: number, happen: () => void): void {
    this.#later.push({ atMs: this.#nowMs + ms, happen });
  }

  #say(before: State, { state, reason }: Step, { words }: { words: readonly string[] }): void {
    const phases = before.phase === state.phase ? state.phase : `${before.phase} → ${state.phase}`;
    const said = `${reason.code}: ${reason.text}`;
    const doing = words.join(', ');
    if (before.phase !== state.phase) this.#said.clear();
    else if (this.#said.has(`${said}${doing}`)) return;
    this.#said.add(said).add(`${said}${doing}`);
    this.#lines.push(`${this.#clock()} ${phases}: ${said}`, ...(doing === '' ? [] : [`         ${doing}`]));
  }

  #clock(): string {
    const days = Math.floor((this.#nowMs - Date.UTC(2026, 0, 5)) / 86_400_000);
    return `${days > 0 ? `+${days}d ` : ''}${new Date(this.#nowMs).toISOString().slice(11, 19)}`;
  }
}

function fingerprintOf(node: Surroundings['node']): string {
  return JSON.stringify([node, [...node.labels], [...node.annotations]]);
}

function wordsOf(effect: Exclude<Effect, { kind: 'wait' }>): string {
  if (effect.kind === 'ask') return `ask ${effect.question}`;
  if (effect.kind === 'event') return `event ${effect.reason}`;
  return effect.kind === 'notify' ? `notify ${effect.message}` : effect.kind;
}
