import { annotationPrefix } from '../cluster/names.ts';
import { parseLabelSelector } from '../node/selectors.ts';
import { parseDestination } from '../observe/notify/destination.ts';
import { BODY_PLACEHOLDERS, placeholdersOf, TEXT_PLACEHOLDERS } from '../observe/notify/template.ts';
import { parseAlertPattern } from '../reboot/gates/alerts.ts';
import { controlPlanePool, defaultPool } from '../reboot/lock/pools.ts';
import { parseTimeOfDay } from '../reboot/window.ts';
import { Secret } from '../secret.ts';
import { text } from './fields.ts';

/** The texts of the section `reboot` that have a grammar of their own. */

const MAX_ARGUMENT_LENGTH = 4096;
const MAX_QUERY_LENGTH = 4096;
const MAX_URL_LENGTH = 2048;
const MAX_MESSAGE_LENGTH = 1000;
const MAX_BODY_LENGTH = 16 * 1024;

const NAME = /[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?/.source;
const KEY = `([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?${NAME}`;
const LABEL = `${KEY}=(${NAME})?`;

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set */
export const metadataKey = text(
  'the key of a label or annotation such as example.com/ready',
  { title: 'key', pattern: `^${KEY}$` },
  (key) => (isKey(key) ? key : undefined),
);

/** Of an annotation that somebody else gives a Node. */
export const foreignAnnotation = text(
  'the key of an annotation such as example.com/ready',
  { title: 'key', pattern: `^${KEY}$` },
  (key) => {
    if (!isKey(key)) return undefined;
    // The agent would wait for itself, or take the reason of a hold for a yes.
    refuseOwn(key);
    return key;
  },
);

/** Reads to the key and the value. */
export const label = text(
  'a label such as example.com/rebooting=true',
  { title: 'label', pattern: `^${LABEL}$` },
  (label) => {
    if (label.length > 381 || !new RegExp(`^${LABEL}$`).test(label)) return undefined;
    const [key = '', value = ''] = label.split('=');
    // They would overwrite the state of the reboot itself.
    refuseOwn(key);
    return { key, value };
  },
);

function isKey(key: string): boolean {
  return key.length <= 317 && new RegExp(`^${KEY}$`).test(key);
}

function refuseOwn(key: string): void {
  if (!key.startsWith(annotationPrefix)) return;
  throw new Error(`expected another prefix than ${annotationPrefix}, which is the agent's own`);
}

/** As kubectl takes it, sets included. */
export const selector = text(
  'a label selector such as app=db or app in (db,queue)',
  { title: 'label selector', minLength: 1 },
  parseLabelSelector,
);

/** It is part of the names of the pool's Leases. */
export const poolName = text(
  'the name of a pool such as gpu, of at most 40 small letters, digits and hyphens',
  { title: 'pool name', pattern: '^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$' },
  (name) => {
    if (RESERVED_POOLS.has(name))
      throw new Error(`expected another name than ${name}, which is the name of a built-in pool`);
    return /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/.test(name) ? name : undefined;
  },
);

const RESERVED_POOLS = new Set([controlPlanePool, defaultPool]);

/** Reads to minutes since midnight. */
export const timeOfDay = text(
  'a time of day from 00:00 to 24:00, such as 22:30',
  { title: 'time of day', pattern: '^\\d{1,2}:\\d{2}$', examples: ['22:30'] },
  parseTimeOfDay,
);

export const argument = text(
  `an argument of 1 to ${MAX_ARGUMENT_LENGTH} characters`,
  { title: 'argument', minLength: 1, maxLength: MAX_ARGUMENT_LENGTH },
  (argument) =>
    argument !== '' && argument.length <= MAX_ARGUMENT_LENGTH && !argument.includes('\0') ? argument : undefined,
);

export const alertPattern = text(
  'a regular expression such as ^(Watchdog|NodeClock.*)$',
  { title: 'regular expression', minLength: 1, examples: ['^(Watchdog|RebootRequired)$'] },
  parseAlertPattern,
);

export const query = text(
  `a PromQL query of 1 to ${MAX_QUERY_LENGTH} characters`,
  { title: 'PromQL query', minLength: 1, maxLength: MAX_QUERY_LENGTH },
  (query) => (query.trim() !== '' && query.length <= MAX_QUERY_LENGTH ? query : undefined),
);

export const prometheusUrl = text(
  'an address such as http://prometheus.monitoring:9090',
  { title: 'URL', pattern: '^https?://' },
  (address) => {
    const url = address.length <= MAX_URL_LENGTH && URL.canParse(address) ? new URL(address) : undefined;
    // Not quoted in a message: somebody may have written a password there.
    if (url && (url.username !== '' || url.password !== '')) {
      throw new Error('expected an address without user and password, found one that has them; use tokenFile');
    }
    const isBase = url !== undefined && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '';
    return isBase ? url.href : undefined;
  },
);

export const environmentVariable = text(
  'the name of an environment variable such as NOTIFY_URL',
  { title: 'environment variable', pattern: '^[A-Za-z_][A-Za-z0-9_]{0,99}$' },
  (name) => (/^[A-Za-z_][A-Za-z0-9_]{0,99}$/.test(name) ? name : undefined),
);

export const messageTemplate = text(
  `a text of at most ${MAX_MESSAGE_LENGTH} characters`,
  { title: 'text', maxLength: MAX_MESSAGE_LENGTH, examples: ['Draining node {{node}}'] },
  (template) =>
    template.length <= MAX_MESSAGE_LENGTH ? withKnownPlaceholders(template, TEXT_PLACEHOLDERS) : undefined,
);

/** Reads to a secret. Refused without being quoted. */
export const notifyUrl = text('a URL such as slack://TOKEN/TOKEN/TOKEN', { title: 'URL', minLength: 1 }, (url) => {
  parseDestination(url);
  return new Secret(url);
});

export const webhookBody = text(
  `JSON of 1 to ${MAX_BODY_LENGTH} characters with placeholders in its strings, such as {"text":"{{message}}"}`,
  { title: 'JSON', minLength: 1, maxLength: MAX_BODY_LENGTH },
  (body) =>
    body.length <= MAX_BODY_LENGTH && isJson(body) ? withKnownPlaceholders(body, BODY_PLACEHOLDERS) : undefined,
);

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function withKnownPlaceholders(template: string, known: readonly string[]): string {
  const unknown = placeholdersOf(template).find((name) => !known.includes(name));
  if (unknown === undefined) return template;
  throw new Error(`expected ${known.map((name) => `{{${name}}}`).join(' or ')}, found {{${unknown}}}`);
}
