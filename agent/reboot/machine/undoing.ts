import type { Reason, Step } from '../state.ts';
import { givingBack } from './givingback.ts';
import { hasOurCordon, type Moment } from './moment.ts';
import { wishOf } from './need.ts';
import { isRetryDue } from './retry.ts';
import { seek } from './seek.ts';
import { step } from './step.ts';
import { leftCordoned, toldOfUncordon } from './verifying.ts';
import { becomeIdle, withoutNeed } from './withoutneed.ts';

export function releasing(moment: Moment): Step {
  const { state, node, facts } = moment;
  const isProven = state.reason.code === 'proven' || state.reason.code === 'left-cordoned';
  const staysCordoned = hasOurCordon(moment) && isProven && node.hold !== undefined;
  if (staysCordoned && facts.drain.kind === 'none') return step(moment, leftCordoned(moment));
  const given = givingBack(moment);
  if (!given.isDone && state.reason.code === 'left-cordoned' && given.write === 'uncordon') {
    const resumed: Reason = { code: 'proven', text: 'rebooted and well, and held no more' };
    const effects = [...(given.effects ?? []), ...toldOfUncordon(given.write)];
    return step(moment, { ...given, reason: resumed, effects });
  }
  if (!given.isDone) return step(moment, { ...given, reason: state.reason });
  const reason: Reason = isProven
    ? { code: 'nothing-wanted', text: 'rebooted, well, and handed on' }
    : { code: 'nothing-wanted', text: `gave back what it had taken: ${state.reason.text}` };
  return becomeIdle(moment, reason);
}

export function backingOff(moment: Moment): Step {
  const { state } = moment;
  const given = givingBack(moment);
  if (!given.isDone) return step(moment, { ...given, reason: state.reason });
  const wish = wishOf(moment);
  if (wish.kind !== 'wanted') return withoutNeed(moment, wish);
  const { need } = wish;
  const isAskedAnew = need.request !== undefined && need.request !== state.need?.request;
  // What reboots did not meet has its own time, which wishOf knows.
  if (isRetryDue(moment) || isAskedAnew || state.reason.code === 'ineffective') return seek(moment, need);
  return step(moment, { reason: state.reason, untilMs: state.retryAtMs });
}
