import { describe, expect, it } from 'vitest';
import { parseDestination } from '../../../../agent/observe/notify/destination.ts';
import { refusalIn, requestFor } from '../../../../agent/observe/notify/payload.ts';

const note = { event: 'problem', node: 'node-1', pool: 'workers', reason: 'it hangs' } as const;
const MESSAGE = 'hold: <!channel> & @everyone';

function sent(url: string, body?: string) {
  const request = requestFor(parseDestination(url), MESSAGE, note, body);
  const type = request.headers?.['content-type'];
  return { ...request, json: type?.includes('json') === true ? JSON.parse(request.body ?? '') : undefined };
}

describe('what is sent', () => {
  it('to Slack and Mattermost calls nobody', () => {
    const text = 'hold: &lt;!channel&gt; &amp; @everyone';
    expect(sent('slack://T/B/x').json).toEqual({ text });
    expect(sent('mattermost://bot@chat.example.com/t/town').json).toEqual({ text, username: 'bot', channel: 'town' });
  });

  it('to a channel of Slack by a bot carries its token in a header', () => {
    const { json, headers, url } = sent('slack://xoxb:1-2-a@C0A');
    expect(json).toMatchObject({ channel: 'C0A' });
    expect(headers).toMatchObject({ authorization: 'Bearer xoxb-1-2-a' });
    expect(url.href).toBe('https://slack.com/api/chat.postMessage');
  });

  it('to Teams is a card', () => {
    expect(sent('teams://a@b/c/d?host=x.webhook.office.com').json).toMatchObject({
      '@type': 'MessageCard',
      text: MESSAGE,
    });
    const { json } = sent('teams+https://logic.example.com/workflows/x');
    expect(json).toMatchObject({ type: 'message', attachments: [{ content: { body: [{ text: MESSAGE }] } }] });
  });

  it('to Discord calls nobody', () => {
    expect(sent('discord://t@1').json).toEqual({ content: MESSAGE, allowed_mentions: { parse: [] } });
  });

  it('to a webhook is the message, JSON with it, or a body of its own', () => {
    expect(sent('generic+https://example.com/')).toMatchObject({
      body: MESSAGE,
      headers: { 'content-type': 'text/plain; charset=utf-8' },
    });
    expect(sent('generic+https://example.com/?template=json').json).toEqual({ message: MESSAGE });
    expect(sent('generic+https://example.com/?@X-Key=k', '{"who":"{{node}}","why":"{{reason}}"}')).toMatchObject({
      json: { who: 'node-1', why: 'it hangs' },
      headers: { 'x-key': 'k' },
    });
  });
});

describe('a success', () => {
  it('of Slack’s API may be none', () => {
    const bot = parseDestination('slack://xoxb:1-2-a@C0A');
    expect(refusalIn(bot, '{"ok":true,"channel":"C0A"}')).toBeUndefined();
    expect(refusalIn(bot, '{"ok":false,"error":"channel_not_found"}')).toBe('channel_not_found');
    expect(refusalIn(bot, '<html>')).toBe('not ok');
    expect(refusalIn(parseDestination('slack://T/B/x'), 'ok')).toBeUndefined();
  });
});
