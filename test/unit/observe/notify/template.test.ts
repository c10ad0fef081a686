import { describe, expect, it } from 'vitest';
import { placeholdersOf, renderBody, renderText } from '../../../../agent/observe/notify/template.ts';
import type { Note } from '../../../../agent/observe/notify/template.ts';

const note: Note = { event: 'drain', node: 'node-1', pool: 'workers', reason: 'the drain hangs' };

describe('a template', () => {
  it('is filled with what is known of the event', () => {
    expect(renderText('{{event}} of {{ node }} in {{pool}}: {{reason}} {{other}}', note)).toBe(
      'drain of node-1 in workers: the drain hangs {{other}}',
    );
  });

  it('of kured has the node where %s stands', () => {
    expect(renderText('Draining node %s, %s', note)).toBe('Draining node node-1, node-1');
    expect(renderText('{{node}} at 5%s', note)).toBe('node-1 at 5%s');
  });

  it('takes nothing of a value for a placeholder or for a pattern', () => {
    expect(renderText('{{reason}}', { ...note, reason: '{{node}} $& $1 %s' })).toBe('{{node}} $& $1 %s');
  });

  it('keeps messages on one line and short', () => {
    const text = renderText('{{reason}}', { ...note, reason: `a\nb\u001b[31m${'x'.repeat(1000)}` });
    expect(text).toMatch(/^a b \[31mx+…$/);
    expect(text.length).toBeLessThan(510);
  });

  it('names its placeholders', () => {
    expect(placeholdersOf('{{node}} {{ reason }} {node} {{}}')).toEqual(['node', 'reason']);
  });
});

describe('a body', () => {
  it('is filled in its strings, at any depth', () => {
    expect(
      JSON.parse(renderBody('{"a":["{{message}}!",{"{{node}}":"{{pool}}"}],"n":1,"z":null}', 'hello', note)),
    ).toEqual({
      a: ['hello!', { '{{node}}': 'workers' }],
      n: 1,
      z: null,
    });
  });

  it('stays JSON, whatever is filled in', () => {
    const message = '"}, {"evil": "\\';
    expect(JSON.parse(renderBody('{"text":"{{message}}"}', message, note))).toEqual({ text: message });
  });
});
