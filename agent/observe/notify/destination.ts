/** Where messages go, and what must be sent there. The URLs are secrets: no error of ours quotes one. */
export type Destination =
  | {
      readonly kind: 'slack' | 'mattermost';
      readonly url: URL;
      readonly channel?: string | undefined;
      readonly username?: string | undefined;
    }
  | { readonly kind: 'slack-bot'; readonly url: URL; readonly token: string; readonly channel: string }
  | { readonly kind: 'teams-connector' | 'teams-workflow' | 'discord'; readonly url: URL }
  | Webhook;

export interface Webhook {
  readonly kind: 'webhook';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** The key of the message in a JSON object; undefined: the body is the message and nothing else. */
  readonly messageKey: string | undefined;
}

const MAX_LENGTH = 2048;
const EXPECTED = 'slack://, teams://, discord://, mattermost://, generic+https:// or generic://';

/**
 * Reads a URL as kured's notify-url has them (the forms of the library shoutrrr), the address of a webhook of Slack, Teams or
 * Discord as these give it, or `teams+https://…`, the address of a Teams workflow. Throws an Error that names the
 * form and says what is wrong, without quoting the URL.
 */
export function parseDestination(text: string): Destination {
  const scheme = /^([a-z][a-z0-9+.-]{0,20}):\/\//.exec(text)?.[1];
  if (scheme === undefined || text.length > MAX_LENGTH) {
    throw new Error(`expected a URL that begins with ${EXPECTED}, of at most ${MAX_LENGTH} characters; found none`);
  }
  const read = FORMS[scheme];
  if (!read) {
    throw new Error(`expected a URL that begins with ${EXPECTED}; found ${scheme}://, which is not understood`);
  }
  // As a scheme that the web does not know, or the case of its letters would be lost, and with it tokens that stand for a host.
  const rest = text.slice(scheme.length);
  const destination = URL.canParse(`notify${rest}`) ? read.read(new URL(`notify${rest}`)) : undefined;
  if (!destination) throw new Error(`expected ${read.form}; found a ${scheme}:// URL that is not so`);
  return destination;
}

/** By scheme: the form a person is told, and the reader, which gives undefined for a URL that is not of that form. */
const FORMS: Readonly<Record<string, { form: string; read: (url: URL) => Destination | undefined }>> = {
  slack: {
    form: 'slack://TOKEN/TOKEN/TOKEN, slack://hook:TOKEN-TOKEN-TOKEN@webhook or slack://xoxb:TOKEN@CHANNEL',
    read: slack,
  },
  teams: { form: 'teams://GROUP@TENANT/ID/OWNER?host=NAME.webhook.office.com', read: teams },
  'teams+https': { form: 'teams+https:// and the address of a workflow', read: teamsWorkflow },
  discord: { form: 'discord://TOKEN@ID', read: discord },
  mattermost: { form: 'mattermost://[USER@]HOST/TOKEN[/CHANNEL]', read: mattermost },
  generic: { form: 'generic://HOST/PATH', read: (url) => webhook(url, isYes(url, 'disabletls') ? 'http' : 'https') },
  'generic+https': { form: 'generic+https://HOST/PATH', read: (url) => webhook(url, 'https') },
  'generic+http': { form: 'generic+http://HOST/PATH', read: (url) => webhook(url, 'http') },
  https: {
    form: 'an address of hooks.slack.com, discord.com or webhook.office.com, or generic+https:// for any other',
    read: webAddress,
  },
};

function slack(url: URL): Destination | undefined {
  const botname = url.searchParams.get('botname') ?? undefined;
  if (url.password === '') {
    const username = url.username === '' ? botname : decodeURIComponent(url.username);
    return slackHook([url.host, ...segments(url)], username);
  }
  const token = decodeURIComponent(url.password);
  if (url.username === 'hook') return slackHook(token.split('-'), botname);
  if (!/^xox[abp]$/.test(url.username) || url.host === '') return undefined;
  return { kind: 'slack-bot', url: SLACK_API, token: `${url.username}-${token}`, channel: url.host };
}

const SLACK_API = new URL('https://slack.com/api/chat.postMessage');

function slackHook(tokens: readonly string[], username: string | undefined): Destination | undefined {
  if (tokens.length !== 3 || !tokens.every((token) => /^[A-Za-z0-9]{1,100}$/.test(token))) return undefined;
  return { kind: 'slack', url: new URL(`https://hooks.slack.com/services/${tokens.join('/')}`), username };
}

function teams(url: URL): Destination | undefined {
  const [id, owner, ...extra] = segments(url);
  const host = url.searchParams.get('host') ?? '';
  if (!id || !owner || url.username === '' || !/^[a-z0-9-]+\.webhook\.office\.com$/.test(host)) return undefined;
  const path = [`${url.username}@${url.host}`, 'IncomingWebhook', id, owner, ...extra].join('/');
  return { kind: 'teams-connector', url: new URL(`https://${host}/webhookb2/${path}`) };
}

function teamsWorkflow(url: URL): Destination | undefined {
  const address = webUrl(url, 'https');
  return address && { kind: 'teams-workflow', url: address };
}

function discord(url: URL): Destination | undefined {
  if (!/^\d{1,30}$/.test(url.host) || !/^[\w-]{1,200}$/.test(url.username)) return undefined;
  const address = new URL(`https://discord.com/api/webhooks/${url.host}/${url.username}`);
  const thread = url.searchParams.get('thread_id');
  if (thread !== null) address.searchParams.set('thread_id', thread);
  return { kind: 'discord', url: address };
}

function mattermost(url: URL): Destination | undefined {
  const [token, channel] = segments(url);
  if (!token) return undefined;
  const address = webUrl(url, isYes(url, 'disabletls') ? 'http' : 'https');
  if (!address) return undefined;
  address.pathname = `/hooks/${token}`;
  address.search = '';
  const username = url.username === '' ? undefined : decodeURIComponent(url.username);
  return { kind: 'mattermost', url: address, channel, username };
}

/** Keys of the query that are meant for the sender; the others are the server's. `@Name=value` is a header. */
function webhook(url: URL, scheme: 'http' | 'https'): Destination | undefined {
  const address = webUrl(url, scheme);
  if (!address) return undefined;
  const query = address.searchParams;
  const headers = Object.fromEntries(
    [...query].filter(([key]) => key.startsWith('@')).map(([key, value]) => [key.slice(1).toLowerCase(), value]),
  );
  const messageKey = query.get('messagekey') ?? 'message';
  const isJson = query.get('template')?.toLowerCase() === 'json';
  const contentType = query.get('contenttype') ?? (isJson ? 'application/json' : 'text/plain; charset=utf-8');
  const forSender = [...query.keys()].filter((key) => key.startsWith('@') || SENDER_KEYS.has(key));
  for (const key of forSender) query.delete(key);
  return {
    kind: 'webhook',
    url: address,
    headers: { 'content-type': contentType, ...headers },
    messageKey: isJson ? messageKey : undefined,
  };
}

const SENDER_KEYS = new Set(['template', 'messagekey', 'titlekey', 'contenttype', 'disabletls', 'method', 'title']);

function webAddress(url: URL): Destination | undefined {
  const address = webUrl(url, 'https');
  if (address?.hostname === 'hooks.slack.com') return { kind: 'slack', url: address };
  if (address?.hostname === 'discord.com') return { kind: 'discord', url: address };
  if (address?.hostname.endsWith('.webhook.office.com')) return { kind: 'teams-connector', url: address };
  return undefined;
}

/** The same host, path and query as an address of the web; undefined where there is no host. */
function webUrl(url: URL, scheme: 'http' | 'https'): URL | undefined {
  const text = `${scheme}://${url.host}${url.pathname}${url.search}`;
  return url.host !== '' && URL.canParse(text) ? new URL(text) : undefined;
}

function segments(url: URL): string[] {
  return url.pathname.split('/').filter((segment) => segment !== '');
}

function isYes(url: URL, key: string): boolean {
  return /^(yes|true|1|on)$/i.test(url.searchParams.get(key) ?? '');
}
