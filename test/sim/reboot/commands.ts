import { type Blocker, type Effect, type Question, questions } from '../../../agent/reboot/state.ts';
import type { Stage } from './stage.ts';
import type { Surroundings } from './surroundings.ts';

/** What a scenario can say, one command a line. A part that is left out comes as an empty word. */
const commands: readonly (readonly [RegExp, (stage: Stage, ...words: string[]) => void])[] = [
  // Time, and the agent in it.
  [/^after (\d+[smhd])$/, (stage, text) => stage.pass(durationMs(text))],
  [/^set (\w+) (\S+)$/, (stage, key, value) => set(stage, key, value)],
  [/^the agent dies$/, (stage) => stage.die()],
  [/^the agent starts$/, (stage) => stage.start()],
  [
    /^the agent will die (before|after) ([\w-]+)$/,
    (stage, when, kind) => {
      stage.mishaps.set(effectKind(kind), { kind: 'crash', when: when === 'before' ? 'before' : 'after' });
    },
  ],
  [/^the next ([\w-]+) is lost$/, (stage, kind) => void stage.mishaps.set(effectKind(kind), { kind: 'lost' })],
  [
    /^the next ([\w-]+) gets no answer$/,
    (stage, kind) => void stage.mishaps.set(effectKind(kind), { kind: 'unanswered' }),
  ],
  [
    /^the next ([\w-]+) comes (\d+[smhd]) late$/,
    (stage, kind, text) => void stage.mishaps.set(effectKind(kind), { kind: 'late', byMs: durationMs(text) }),
  ],
  [
    /^the clock is set (back|forward) by (\d+[smhd])$/,
    (stage, way, text) => {
      stage.offsetMs += (way === 'back' ? -1 : 1) * durationMs(text);
    },
  ],
  // The host.
  [/^sentinel(?: for (.+))?$/, (stage, packages) => putSentinel(stage, 'sentinel', packages)],
  [/^the command says yes$/, (stage) => putSentinel(stage, 'command', '')],
  [/^(?:no sentinel|the command says no)$/, ({ around }) => void (around.host.sentinel = undefined)],
  [/^the sentinel survives reboots$/, ({ around }) => void (around.host.sentinelSurvives = true)],
  [/^the sentinel can(not)? be seen$/, ({ around }, not) => void (around.host.sentinelUnseen = not !== '')],
  [
    /^the host (stays|hangs|reboots) when told to reboot$/,
    ({ around }, how) => {
      around.host.onReboot = how === 'stays' || how === 'hangs' ? how : 'reboots';
    },
  ],
  [/^the host refuses to reboot: (.+)$/, ({ around }, refuses) => void (around.host.onReboot = { refuses })],
  [/^the bus can(not)? be reached$/, ({ around }, not) => void (around.host.busUnreachable = not !== '')],
  [/^somebody reboots the host$/, (stage) => stage.goDown()],
  // The Node.
  [
    /^node (not )?Ready$/,
    (stage, not) => void Object.assign(stage.around.node, { ready: not === '', readySinceMs: stage.nowMs }),
  ],
  [/^hold(?: (.+))?$/, ({ around }, why) => void (around.node.hold = why)],
  [/^no hold$/, ({ around }) => void (around.node.hold = undefined)],
  [/^request (\S+)$/, ({ around }, value) => void (around.node.request = value)],
  [/^no request$/, ({ around }) => void (around.node.request = undefined)],
  [/^an admin (un)?cordons$/, ({ around }, un) => void (around.node.unschedulable = un === '')],
  [/^an admin uncordons and cordons again, unseen$/, ({ around }) => void (around.node.cordonedBySomebody = true)],
  [/^the Node is replaced$/, ({ around }) => replaceNode(around)],
  [/^somebody damages the record$/, ({ around }) => void around.node.annotations.set('reboot-status', '{"phase":')],
  // The cluster.
  [/^pause(?: (.+))?$/, ({ around }, why) => void (around.paused = why)],
  [/^no pause$/, ({ around }) => void (around.paused = false)],
  [/^the window (?:closes for (\d+[smhd])|opens)$/, (stage, text) => setWindow(stage, text)],
  [/^(\S+) takes the slot$/, ({ around }, holder) => void (around.slot.holder = holder)],
  [/^the slot is (?:freed|deleted)$/, ({ around }) => void (around.slot.holder = undefined)],
  [
    /^the last write on the Lease is (refused|taken) from now on$/,
    ({ around }, how) => void (around.slot.unconfirmable = how === 'refused'),
  ],
  [/^the API server is (down|up)$/, ({ around }, how) => void (around.apiDown = how === 'down')],
  [
    /^([\w-]+) blocked by (.+)$/,
    ({ around }, word, reason) => void around.blockers.set(question(word), [blocker(reason)]),
  ],
  [/^([\w-]+) clear$/, ({ around }, word) => void around.blockers.delete(question(word))],
  [/^pods stuck by (.+)$/, ({ around }, reason) => void (around.pods.stuck = blocker(reason))],
  [
    /^pods not stuck$/,
    (stage) => {
      stage.around.pods.stuck = undefined;
      stage.letPodsLeave();
    },
  ],
];

export function perform(stage: Stage, line: string): void {
  for (const [pattern, run] of commands) {
    const match = pattern.exec(line);
    if (match === null) continue;
    run(stage, match[1] ?? '', match[2] ?? '');
    // What changes is seen at once; while time passes the agent looks when it is due.
    if (!line.startsWith('after ')) stage.settle();
    return;
  }
  throw new Error(`expected a command of test/sim/reboot/commands.ts, found: ${line}`);
}

const effectKinds: ReadonlySet<string> = new Set<Effect['kind']>([
  'record',
  'cordon',
  'uncordon',
  'ask',
  'acquire',
  'confirm',
  'release',
  'drain',
  'stop-drain',
  'reboot',
]);

function isEffectKind(word: string): word is Effect['kind'] {
  return effectKinds.has(word);
}

function effectKind(word: string): Effect['kind'] {
  if (!isEffectKind(word)) throw new Error(`expected one of ${[...effectKinds].join(', ')}, found ${word}`);
  return word;
}

function question(word: string): Question {
  const found = questions.find((name) => name === word);
  if (found === undefined) throw new Error(`expected one of ${questions.join(', ')}, found ${word}`);
  return found;
}

/** `gate: reason` */
function blocker(text: string): Blocker {
  const [gate = '', reason = ''] = text.split(/: (.*)/, 2);
  return { gate, reason };
}

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function durationMs(text: string): number {
  return Number(text.slice(0, -1)) * (unitMs[text.slice(-1)] ?? Number.NaN);
}

/** Of the settings only those that scenarios change. */
function set(stage: Stage, key: string, value: string): void {
  const { settings } = stage;
  switch (key) {
    case 'whenWindowCloses':
      stage.settings = { ...settings, whenWindowCloses: value === 'go-on' ? 'go-on' : 'back-out' };
      return;
    case 'whenStuck':
      stage.settings = { ...settings, whenStuck: value === 'go-on' || value === 'stay' ? value : 'back-out' };
      return;
    case 'whenUnhealthy':
      stage.settings = { ...settings, whenUnhealthy: value === 'go-on' ? 'go-on' : 'stop' };
      return;
    case 'whenTimedOut':
      stage.settings = {
        ...settings,
        hooks: { ...settings.hooks, whenTimedOut: value === 'go-on' ? 'go-on' : 'back-out' },
      };
      return;
    case 'rebootDelay':
      stage.settings = { ...settings, rebootDelayMs: durationMs(value) };
      return;
    case 'cordonDelay':
      stage.settings = { ...settings, cordonDelayMs: durationMs(value) };
      return;
    case 'marks':
      stage.settings = { ...settings, marks: ['prefer-no-schedule', 'load-balancers', 'scale-down'] };
      return;
    default:
      throw new Error(`expected a setting that test/sim/reboot/commands.ts knows, found ${key}`);
  }
}

function putSentinel({ around, nowMs, offsetMs }: Stage, kind: 'sentinel' | 'command', packages: string): void {
  const sinceMs = around.host.sentinel?.sinceMs ?? nowMs;
  const writtenAtMs = kind === 'command' ? undefined : nowMs + offsetMs;
  const names = packages === '' ? [] : packages.split(' ');
  around.host.sentinel = {
    kind,
    sinceMs: kind === 'command' ? sinceMs : nowMs,
    changedAtMs: nowMs,
    packages: names,
    writtenAtMs,
  };
}

function replaceNode({ node, slot }: Surroundings): void {
  Object.assign(node, {
    uid: node.uid + 1,
    unschedulable: false,
    cordonedBySomebody: false,
    marks: [],
    hold: undefined,
    request: undefined,
  });
  node.labels.clear();
  node.annotations.clear();
  // The Lease belonged to the Node that is gone.
  if (slot.holder === 'us') slot.holder = undefined;
}

function setWindow(stage: Stage, closedFor: string): void {
  const { around } = stage;
  if (closedFor === '') {
    around.window = { open: true, changesAtMs: undefined };
    return;
  }
  const closedMs = durationMs(closedFor);
  around.window = { open: false, changesAtMs: stage.nowMs + stage.offsetMs + closedMs };
  stage.later(closedMs, () => {
    around.window = { open: true, changesAtMs: undefined };
  });
}
