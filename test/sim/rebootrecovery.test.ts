import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { perform } from './reboot/commands.ts';
import { Stage } from './reboot/stage.ts';

/** Lines as scenarios have them. */
const troubles = [
  'sentinel',
  'no sentinel',
  'sentinel for linux-image',
  'request now-1',
  'request 2',
  'no request',
  'hold why',
  'no hold',
  'pause why',
  'no pause',
  'an admin uncordons',
  'node not Ready',
  'node Ready',
  'the agent dies',
  'the agent starts',
  'the agent will die before record',
  'the agent will die after cordon',
  'the agent will die after acquire',
  'the agent will die before reboot',
  'the agent will die after release',
  'the next record is lost',
  'the next cordon gets no answer',
  'the next uncordon gets no answer',
  'the next cordon comes 20s late',
  'the next record comes 20s late',
  'the next uncordon comes 20s late',
  'the next confirm is lost',
  'the last write on the Lease is refused from now on',
  'somebody reboots the host',
  'the host stays when told to reboot',
  'the host refuses to reboot: apt inhibits shutdown',
  'the bus cannot be reached',
  'the Node is replaced',
  'worker-2 takes the slot',
  'the slot is deleted',
  'the API server is down',
  'the API server is up',
  'gates blocked by prometheus: KubeNodeDown is firing',
  'drain blocked by default/web: maxUnavailable is 0',
  'before-reboot blocked by storage.example/ready: not yet',
  'pods stuck by default/web: no disruption is allowed',
  'health blocked by daemonset/cni: no pod of it is Ready',
  'the window closes for 2h',
  'the clock is set back by 1d',
  'the clock is set forward by 1d',
  'set whenStuck stay',
  'set whenStuck go-on',
  'set whenUnhealthy go-on',
  'set marks all',
  'after 30s',
  'after 5m',
  'after 6m',
  'after 20m',
];

const peace = [
  'the API server is up',
  'the host reboots when told to reboot',
  'the bus can be reached',
  'no hold',
  'no pause',
  'gates clear',
  'drain clear',
  'before-reboot clear',
  'health clear',
  'pods not stuck',
  'the window opens',
  'node Ready',
  'the last write on the Lease is taken from now on',
  'the slot is freed',
];

/** Longer than the longest back-off and the least interval together. */
const patienceMs = 9 * 3_600_000;

describe('after any trouble, once it is over', () => {
  it('the node has rebooted if it had to, takes pods and has given everything back', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...troubles), { maxLength: 14 }), (lines) => {
        const stage = new Stage();
        for (const line of lines) perform(stage, line);
        stage.mishaps.clear();
        const { around } = stage;
        // A slot that we hold is not somebody else's to free.
        for (const line of peace) if (line !== 'the slot is freed' || around.slot.holder !== 'us') perform(stage, line);
        stage.pass(2 * 60_000);
        if (stage.life === undefined) stage.start();
        stage.pass(patienceMs);
        expect({
          phase: stage.life?.state.phase,
          slot: around.slot.holder,
          takesPods: !around.node.unschedulable,
          marks: around.node.marks,
          sentinel: around.host.sentinel,
        }).toEqual({ phase: 'idle', slot: undefined, takesPods: true, marks: [], sentinel: undefined });
      }),
      { numRuns: Number(process.env['NODETENDER_SIM_RUNS'] ?? 60) },
    );
  });
});
