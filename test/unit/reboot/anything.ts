import * as fc from 'fast-check';
import type { Settings } from '../../../agent/reboot/settings.ts';
import {
  type Answers,
  marks,
  type Need,
  needKinds,
  type Observation,
  phases,
  questions,
  reasonCodes,
  type State,
} from '../../../agent/reboot/state.ts';
import { defaultSettings } from '../../sim/reboot/settings.ts';

/** Any state with any facts, most of them of such a kind that something can come of them. */

const nowMs = Date.UTC(2026, 0, 5, 12);
const agoMs = fc.oneof(fc.integer({ min: 0, max: 120_000 }), fc.integer({ min: 0, max: 3 * 86_400_000 }));
const wallMs = agoMs.map((ago) => nowMs - ago);
/** Of a file: before the first year, after the last, of no year, and of none. */
const oddMs = fc.constantFrom(nowMs + 0.7, -5.5, -99_999_999_999_000, 1e15, 1e18, Number.NaN);
const word = fc.stringMatching(/^[a-z]{1,8}$/);
const bootId = fc.constantFrom('boot-1', 'boot-1', 'boot-1', 'boot-2');
const uid = fc.constantFrom('uid-1', 'uid-1', 'uid-1', 'uid-1', 'uid-2');
const slot = fc.constantFrom('slot-0', 'slot-0', 'slot-1');
const request = fc.constantFrom('one', 'now-two');
const someMarks = fc.subarray([...marks]);

function optional<T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.option(value, { nil: undefined });
}

/** What is usual, three times of four. */
function mostly<T>(usual: T, other: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ arbitrary: fc.constant(usual), weight: 3 }, { arbitrary: other, weight: 1 });
}

const need: fc.Arbitrary<Need> = fc.record(
  {
    kind: fc.constantFrom(...needKinds),
    sinceMs: wallMs,
    packages: fc.array(word, { maxLength: 3 }),
    request,
    writtenAtMs: wallMs,
  },
  { requiredKeys: ['kind', 'sinceMs', 'packages'] },
);

export const anyState: fc.Arbitrary<State> = fc.record(
  {
    phase: fc.constantFrom(...phases),
    sinceMs: wallMs,
    reason: fc.record({ code: fc.constantFrom(...reasonCodes), text: fc.string({ maxLength: 300 }) }),
    nodeUid: uid,
    need,
    slot,
    bootId,
    cordonedByUs: fc.boolean(),
    marks: someMarks,
    failures: fc.nat(40),
    retryAtMs: fc.integer({ min: -7_200_000, max: 86_400_000 }).map((ms) => nowMs + ms),
    lastReboot: fc.record({
      bootId,
      atMs: wallMs,
      judged: fc.boolean(),
      needWrittenAtMs: optional(fc.constant(nowMs)),
    }),
    inVain: fc.nat(3),
    requestHandled: request,
  },
  {
    requiredKeys: ['phase', 'sinceMs', 'reason', 'nodeUid', 'cordonedByUs', 'marks', 'failures', 'inVain'],
  },
);

const blocker = fc.record({ gate: word, reason: word });
const blockers = mostly([], fc.array(blocker, { maxLength: 4 }));
const answers: fc.Arbitrary<Answers> = fc
  .record({ answeredAgoMs: mostly(500, agoMs), tookMs: mostly(500, agoMs), blockedBy: blockers })
  .map(({ answeredAgoMs, tookMs, blockedBy }) => ({ answeredAgoMs, askedAgoMs: answeredAgoMs + tookMs, blockedBy }));

const clear: Answers = { askedAgoMs: 1_000, answeredAgoMs: 500, blockedBy: [] };

const node: fc.Arbitrary<NonNullable<Observation['node']>> = fc.record({
  uid,
  unschedulable: fc.boolean(),
  cordonedBySomebody: mostly(false, fc.constant(true)),
  reportedBootId: bootId,
  ready: mostly(true, fc.constant(false)),
  readyForMs: agoMs,
  hold: mostly<string | undefined>(undefined, fc.constant('why')),
  request: mostly<string | undefined>(undefined, request),
  marks: someMarks,
});

const sentinel: fc.Arbitrary<Observation['sentinel']> = fc.oneof(
  { arbitrary: fc.constantFrom({ wanted: false } as const, undefined), weight: 1 },
  {
    arbitrary: fc.record({
      wanted: fc.constant(true as const),
      kind: fc.constantFrom('sentinel' as const, 'command' as const),
      sinceMs: fc.oneof({ arbitrary: wallMs, weight: 3 }, { arbitrary: oddMs, weight: 1 }),
      settledForMs: mostly(600_000, agoMs),
      // A file may have any time, and a command has none.
      writtenAtMs: mostly<number | undefined>(nowMs, optional(oddMs)),
      packages: fc.array(word, { maxLength: 30 }),
    }),
    weight: 4,
  },
);

const lock: fc.Arbitrary<Observation['lock']> = fc.oneof(
  { arbitrary: fc.constant(undefined), weight: 1 },
  { arbitrary: fc.record({ kind: fc.constant('none' as const), turn: fc.boolean(), waitingFor: word }), weight: 2 },
  {
    arbitrary: fc.record({
      kind: fc.constant('held' as const),
      slot,
      heldForMs: mostly(30_000, agoMs),
      checked: mostly(true, fc.constant(false)),
      surplus: mostly<string[]>([], fc.constant(['slot-9'])),
    }),
    weight: 4,
  },
);

const drain: fc.Arbitrary<Observation['drain']> = fc.oneof(
  fc.constant({ kind: 'none' } as const),
  fc.record({ kind: fc.constant('running' as const), podsLeft: fc.nat(9), blockedBy: blockers, unchangedForMs: agoMs }),
  fc.record({ kind: fc.constant('done' as const), doneForMs: agoMs }),
  fc.record({ kind: fc.constant('failed' as const), failedForMs: agoMs, reason: word }),
);

export const anyFacts: fc.Arbitrary<Observation> = fc.record({
  nowMs: fc.constant(nowMs),
  bootId,
  uptimeMs: mostly(7_200_000, agoMs),
  sentinel,
  paused: mostly<string | false | undefined>(false, fc.constantFrom('why', undefined)),
  unknownForMs: fc.record({ sentinel: agoMs, pause: agoMs, slots: agoMs }),
  recordedForMs: agoMs,
  node: optional(node),
  lock,
  window: fc.record({ open: mostly(true, fc.constant(false)), reason: word, changesAtMs: optional(wallMs) }),
  answers: fc
    .tuple(
      ...questions.map((question) =>
        fc.tuple(fc.constant(question), mostly<Answers | undefined>(clear, optional(answers))),
      ),
    )
    .map((given): Observation['answers'] => Object.fromEntries(given.filter(([, answer]) => answer !== undefined))),
  drain,
  rebootCall: fc.oneof(
    fc.constantFrom({ kind: 'unknown' } as const, { kind: 'none' } as const),
    fc.record({ kind: fc.constant('sent' as const), sentAgoMs: agoMs }),
    fc.record({ kind: fc.constant('refused' as const), reason: word }),
    fc.record({ kind: fc.constant('unconfirmed' as const), times: fc.integer({ min: 1, max: 3 }), reason: word }),
  ),
  preparingForShutdown: fc.constantFrom(undefined, true, false),
});

export const anySettings: fc.Arbitrary<Settings> = fc
  .record({
    ...Object.fromEntries(Object.entries(defaultSettings).map(([key, value]) => [key, fc.constant(value)])),
    whenWindowCloses: fc.constantFrom('back-out' as const, 'go-on' as const),
    whenStuck: fc.constantFrom('back-out' as const, 'go-on' as const, 'stay' as const),
    whenUnhealthy: fc.constantFrom('stop' as const, 'go-on' as const),
    marks: someMarks,
  })
  .map((given): Settings => ({ ...defaultSettings, ...given }));
