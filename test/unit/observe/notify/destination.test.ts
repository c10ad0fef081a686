import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { messageOf } from '../../../../agent/errors.ts';
import { parseDestination } from '../../../../agent/observe/notify/destination.ts';

function read(text: string): Record<string, unknown> {
  const destination = parseDestination(text);
  return { ...destination, url: destination.url.href };
}

describe('a URL for messages', () => {
  it.each([
    ['slack://T0Ab/B0Cd/xYz', { kind: 'slack', url: 'https://hooks.slack.com/services/T0Ab/B0Cd/xYz' }],
    ['slack://bot@T0Ab/B0Cd/xYz', { kind: 'slack', username: 'bot' }],
    ['slack://hook:T0Ab-B0Cd-xYz@webhook', { kind: 'slack', url: 'https://hooks.slack.com/services/T0Ab/B0Cd/xYz' }],
    ['slack://hook:T0Ab-B0Cd-xYz@webhook?botname=bot', { kind: 'slack', username: 'bot' }],
    ['slack://xoxb:123-456-aBc@C0ABC', { kind: 'slack-bot', token: 'xoxb-123-456-aBc', channel: 'C0ABC' }],
    ['https://hooks.slack.com/services/T/B/x', { kind: 'slack', url: 'https://hooks.slack.com/services/T/B/x' }],
    [
      'teams://a-1@b-2/c3/d-4?host=contoso.webhook.office.com',
      {
        kind: 'teams-connector',
        url: 'https://contoso.webhook.office.com/webhookb2/a-1@b-2/IncomingWebhook/c3/d-4',
      },
    ],
    [
      'teams+https://prod-1.westeurope.logic.azure.com:443/workflows/x/triggers/manual/paths/invoke?sig=s',
      {
        kind: 'teams-workflow',
        url: 'https://prod-1.westeurope.logic.azure.com/workflows/x/triggers/manual/paths/invoke?sig=s',
      },
    ],
    ['discord://t0-_K@123', { kind: 'discord', url: 'https://discord.com/api/webhooks/123/t0-_K' }],
    ['discord://t0K@123?thread_id=4', { url: 'https://discord.com/api/webhooks/123/t0K?thread_id=4' }],
    [
      'mattermost://bot@chat.example.com/tOk/town',
      {
        kind: 'mattermost',
        url: 'https://chat.example.com/hooks/tOk',
        username: 'bot',
        channel: 'town',
      },
    ],
    ['mattermost://chat.example.com/tOk?disabletls=yes', { url: 'http://chat.example.com/hooks/tOk' }],
    ['generic://example.com:8443/a/B?c=d', { kind: 'webhook', url: 'https://example.com:8443/a/B?c=d' }],
    ['generic://example.com/a?disabletls=yes', { url: 'http://example.com/a', messageKey: undefined }],
    [
      'generic+https://example.com/a?template=json&messagekey=text',
      {
        url: 'https://example.com/a',
        messageKey: 'text',
        headers: { 'content-type': 'application/json' },
      },
    ],
    [
      'generic+http://127.0.0.1:1/?@Authorization=Bearer%20x&contenttype=text/x',
      {
        url: 'http://127.0.0.1:1/',
        headers: { 'content-type': 'text/x', authorization: 'Bearer x' },
      },
    ],
  ])('%s', (text, expected) => {
    expect(read(text)).toMatchObject(expected);
  });

  it.each(['telegram', 'smtp', 'gotify', 'pushover', 'rocketchat', 'ntfy', 'generic+ftp', 'http'])(
    'of the form %s is refused by name',
    (scheme) => {
      expect(() => parseDestination(`${scheme}://s3cret@example.com/x`)).toThrow(
        `found ${scheme}://, which is not understood`,
      );
    },
  );

  it.each([
    'slack://T/B',
    'slack://T/B/x/y',
    'slack://hook:T-B@webhook',
    'slack://user:s3cret@webhook',
    'teams://s3cret@b/c/d?host=evil.example.com',
    'teams://s3cret@b/c?host=contoso.webhook.office.com',
    'discord://s3cret@name',
    'mattermost://s3cret.example.com',
    'generic://',
    'https://s3cret.example.com/hook',
  ])('%s is refused with the form that was expected', (text) => {
    const scheme = text.split(':')[0];
    expect(() => parseDestination(text)).toThrow(new RegExp(`^expected .*; found a ${scheme}:// URL that is not so$`));
  });

  it('is never quoted in a refusal, whatever it is', () => {
    const scheme = fc.constantFrom('slack', 'teams', 'discord', 'mattermost', 'generic', 'https', 'x'.repeat(50), '');
    const rest = fc.stringMatching(/^[a-z@:/?%[\]#&= .-]{0,20}$/);
    const texts = fc.tuple(scheme, rest, rest).map(([scheme, a, b]) => `${scheme}://${a}s3cret${b}`);
    fc.assert(fc.property(texts, (text) => !refusalOf(text).includes('s3cret')));
    expect(refusalOf('slack://s3cret')).toMatch(/^expected/);
  });
});

/** Empty when the text is accepted. */
function refusalOf(text: string): string {
  try {
    parseDestination(text);
    return '';
  } catch (error) {
    return messageOf(error);
  }
}
