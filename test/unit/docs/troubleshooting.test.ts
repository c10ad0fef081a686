import { describe, expect, it } from 'vitest';
import { rollOf } from '../../../agent/cli/roll.ts';
import { tables } from '../../../agent/cli/rollview.ts';
import { jsonSchema } from '../../../agent/config/schema.ts';
import { defaultConfig } from '../../../agent/config/load.ts';
import { encodeState } from '../../../agent/reboot/record.ts';
import { initialState, type State } from '../../../agent/reboot/state.ts';
import type { NodeView } from '../../../agent/cluster/node.ts';
import { keysOf } from '../config/keys.ts';
import { strangeNode } from '../cli/nodeexamples.ts';
import { RecordedTerminal } from '../cli/terminal.ts';
import { quotedIn, rowsOf, sectionOf, textOf } from './pages.ts';
import {
  denialsOfHost,
  obstaclesOfDrain,
  problemsOfAgent,
  reasonsToStay,
  waitsOfCleaning,
  waitsOfReboot,
} from './said.ts';

const page = textOf('docs/troubleshooting.md');

/** Whether `text` is the message with some of it replaced by `…`. */
function quotes(text: string, message: string): boolean {
  const parts = text.split('…').map((part) => part.trim().replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join('.*')}$`, 's').test(message.trim());
}

/** What the tables below a heading quote that nobody says, and what is said that they do not quote. */
function amiss(heading: string, messages: readonly string[]): object {
  const quoted = rowsOf(sectionOf(page, heading).replaceAll(/^ +\|/gm, '|')).flatMap(quotedIn);
  return {
    nobodySays: quoted.filter((text) => !messages.some((message) => quotes(text, message))),
    notQuoted: messages.filter((message) => !quoted.some((text) => quotes(text, message))),
  };
}

const nothing = { nobodySays: [], notQuoted: [] };

describe('the page on troubleshooting quotes what is said', () => {
  it('of a node that is not cleaned', () => {
    expect(amiss('A node is not cleaned', waitsOfCleaning())).toEqual(nothing);
  });

  it('of images that stay', () => {
    const { nobodySays } = amiss('A run removes nothing', reasonsToStay()) as { nobodySays: string[] };
    expect(nobodySays).toEqual([]);
    expect(reasonsToStay().filter((reason) => page.includes(`\`${reason}\``)).length).toBeGreaterThan(4);
  });

  it('of a reboot that is pending', async () => {
    expect(amiss('A reboot is pending, and nothing happens', await waitsOfReboot())).toEqual(nothing);
  });

  it('of a drain that does not finish', () => {
    expect(amiss('A drain does not finish', obstaclesOfDrain())).toEqual(nothing);
  });

  it('of a host that refuses to reboot', async () => {
    expect(amiss('The host refuses to reboot', await denialsOfHost())).toEqual(nothing);
  });

  it('of an agent that is not ready, or ends', async () => {
    const section = sectionOf(page, 'An agent is not Ready').split('There is no pod at all')[0] ?? '';
    const quoted = rowsOf(section).flatMap(quotedIn);
    const messages = await problemsOfAgent();
    expect(quoted.filter((text) => !messages.some((message) => quotes(text, message)))).toEqual([]);
    expect(messages.filter((message) => !quoted.some((text) => quotes(text, message)))).toEqual([]);
  });

  it('of a roll that is stuck', () => {
    const shown = /^ {4}\$ nodetender status\n((?: {4}.*\n|\n)+?)\nA held slot/m.exec(page)?.[1] ?? '';
    expect(shown.replaceAll(/^ {4}/gm, '').trim()).toBe(stuckRoll().trim());
  });

  it('and names no setting that there is not', () => {
    const keys = new Set(keysOf(jsonSchema()).map(({ path }) => path.join('.')));
    const named = quotedIn(page).flatMap(
      (text) => /^(?:config\.)?((?:reboot|images|cluster)\.[\w.]+)$/.exec(text)?.[1] ?? [],
    );
    expect(named.length).toBeGreaterThan(8);
    expect(named.filter((name) => !keys.has(name))).toEqual([]);
  });
});

/** A node that never came back, and one that waits for it. */
function stuckRoll(): string {
  const nowMs = Date.UTC(2026, 0, 1, 12);
  const hourMs = 3_600_000;
  const node = (name: string, ready: boolean, change: Partial<State>): NodeView => {
    const uid = `uid-${name}`;
    const state = { ...initialState(uid, nowMs), ...change };
    return { ...strangeNode(), name, uid, ready, annotations: new Map([['reboot-status', encodeState(state)]]) };
  };
  const need = { kind: 'sentinel', sinceMs: nowMs - 3 * hourMs, packages: [] } as const;
  const nodes = [
    node('web-1', false, { phase: 'rebooting', sinceMs: nowMs - 2 * hourMs, need }),
    node('web-2', true, { phase: 'waiting', sinceMs: nowMs - 3 * hourMs, need }),
    node('web-3', true, {}),
  ];
  const slot = {
    name: 'nodetender-default-0',
    namespace: 'nodetender',
    uid: 'lease',
    pool: 'default',
    resourceVersion: '1',
    holder: { node: 'web-1', uid: 'uid-web-1' },
    hint: undefined,
    acquiredAtMs: nowMs - 2 * hourMs,
    renewedAtMs: nowMs - 2 * hourMs,
  };
  const settings = { ...defaultConfig.reboot, isGiven: false };
  const roll = rollOf(nodes, [slot], settings, nowMs);
  return tables(roll, { nowMs, wide: false, terminal: new RecordedTerminal(), width: 130 });
}
