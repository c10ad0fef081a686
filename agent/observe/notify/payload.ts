import type { WebRequest } from '../../web/exchange.ts';
import type { Destination } from './destination.ts';
import { renderBody } from './template.ts';
import type { Note } from './template.ts';

/** The request that brings a message to a destination. `body` replaces the body of a generic webhook. */
export function requestFor(
  destination: Destination,
  message: string,
  note: Note,
  body: string | undefined,
): WebRequest {
  switch (destination.kind) {
    case 'slack':
    case 'mattermost': {
      const { url, channel, username } = destination;
      return json(url, { text: escaped(message), ...(channel && { channel }), ...(username && { username }) });
    }
    case 'slack-bot': {
      const { url, channel, token } = destination;
      return json(url, { channel, text: escaped(message) }, { authorization: `Bearer ${token}` });
    }
    case 'teams-connector':
      return json(destination.url, {
        '@type': 'MessageCard',
        '@context': 'https://schema.org/extensions',
        summary: message,
        text: message,
      });
    case 'teams-workflow':
      return json(destination.url, adaptiveCard(message));
    case 'discord':
      // A reason that names @everyone calls nobody.
      return json(destination.url, { content: message, allowed_mentions: { parse: [] } });
    case 'webhook': {
      const { url, headers, messageKey } = destination;
      if (body !== undefined) return json(url, JSON.parse(renderBody(body, message, note)), headers);
      if (messageKey !== undefined) return json(url, { [messageKey]: message }, headers);
      return { method: 'POST', url, headers, body: message };
    }
  }
}

/** What an answer means that a service gives in the body of a success: Slack's API says so why it did nothing. */
export function refusalIn({ kind }: Destination, body: string): string | undefined {
  if (kind !== 'slack-bot') return undefined;
  return /"ok":\s*true/.test(body) ? undefined : (/"error":\s*"([\w]{1,60})"/.exec(body)?.[1] ?? 'not ok');
}

function json(url: URL, value: unknown, headers: Readonly<Record<string, string>> = {}): WebRequest {
  const type = { 'content-type': 'application/json; charset=utf-8' };
  const own = headers['content-type']?.startsWith('application/') ? headers : { ...headers, ...type };
  return { method: 'POST', url, headers: own, body: JSON.stringify(value) };
}

/** https://learn.microsoft.com/en-us/power-automate/teams/overview */
function adaptiveCard(text: string): unknown {
  const content = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    version: '1.4',
    body: [{ type: 'TextBlock', text, wrap: true }],
  };
  return { type: 'message', attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', content }] };
}

/** Slack reads `<!channel>` and links in brackets; a reason that quotes a stranger may hold them. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
