import { Cron } from 'croner';
import { parseRepositoryPattern, parseRule } from '../images/rules.ts';
import { parseLabelSelector } from '../node/selectors.ts';
import { text } from './fields.ts';

/** The texts that have a grammar of their own. */

/** Of sockaddr_un's 108 bytes the last is zero. */
const MAX_SOCKET_PATH_BYTES = 107;
const MAX_PATH_BYTES = 4095;
const MAX_CRON_LENGTH = 200;
/** No name of Kubernetes is longer. */
const MAX_NAME_LENGTH = 253;

export const absolutePath = text('an absolute path', { title: 'absolute path', pattern: '^/' }, (path) =>
  isPath(path, MAX_PATH_BYTES) ? path : undefined,
);

export const unixSocket = text(
  'a socket such as unix:///run/containerd/containerd.sock',
  { title: 'socket', pattern: '^unix:///' },
  (endpoint) =>
    endpoint.startsWith('unix://') && isPath(endpoint.slice('unix://'.length), MAX_SOCKET_PATH_BYTES)
      ? endpoint
      : undefined,
);

/** Reads to null for the empty text: listen nowhere. IPv6 addresses stand in brackets. */
export const listenAddress = text(
  'an address and a port such as 0.0.0.0:8080 or [::]:8080, or "" for none',
  { title: 'address and port', pattern: /^$|^(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z.-]+):\d{1,5}$/.source },
  (address) => {
    if (address === '') return null;
    const [, bracketed, plain, digits] =
      /^(?:\[([\dA-Fa-f:.]+)\]|([\dA-Za-z.-]{1,253})):(\d{1,5})$/.exec(address) ?? [];
    const host = bracketed ?? plain;
    const port = Number(digits);
    return host !== undefined && port <= 65_535 ? { host, port } : undefined;
  },
);

export const timeZone = text(
  'a time zone such as UTC or Europe/Paris',
  { title: 'time zone', examples: ['UTC', 'Europe/Paris'] },
  (zone) => {
    // The default, spared the loading of Intl's data: 6 MB of the agent's memory.
    if (zone === 'UTC') return zone;
    try {
      return Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone;
    } catch {
      return undefined;
    }
  },
);

export const cron = text(
  'five cron fields such as "30 3 * * 6" that come round on some day, or @hourly, @daily, @weekly or @monthly',
  { title: 'cron', examples: ['30 3 * * 6', '@daily'] },
  (pattern) => {
    if (pattern.length > MAX_CRON_LENGTH || !/^@[a-z]+$|^\S+(?:\s+\S+){4}$/.test(pattern)) return undefined;
    try {
      // From a fixed day, so that what is accepted does not depend on when it is read. The 30th of February never comes.
      const next = new Cron(pattern, { paused: true, mode: '5-part', timezone: 'UTC' }).nextRun(new Date(0));
      return next ? pattern : undefined;
    } catch {
      return undefined;
    }
  },
);

export const imageRule = text('an image rule such as registry.example/app:*', { title: 'rule' }, parseRule);

export const repositoryPattern = text(
  'a repository such as registry.example/app',
  { title: 'repository' },
  parseRepositoryPattern,
);

const LABEL = /[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?/.source;

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ */
export const namespaceName = text(
  'the name of a namespace such as kube-system',
  { title: 'namespace', pattern: `^${LABEL}$` },
  matching(new RegExp(`^${LABEL}$`)),
);

export const nodeName = text(
  'the name of a Node such as node-1',
  { title: 'node name', pattern: `^${LABEL}([.]${LABEL})*$`, maxLength: MAX_NAME_LENGTH },
  matching(new RegExp(`^${LABEL}([.]${LABEL})*$`)),
);

export const labelSelector = text(
  'a label selector such as example.com/gpu, !spot or pool in (a,b)',
  { title: 'label selector', examples: ['example.com/gpu', 'pool in (a,b)'] },
  parseLabelSelector,
);

function matching(pattern: RegExp): (text: string) => string | undefined {
  return (text) => (text.length <= MAX_NAME_LENGTH && pattern.test(text) ? text : undefined);
}

function isPath(path: string, maxBytes: number): boolean {
  return path.startsWith('/') && !path.includes('\0') && Buffer.byteLength(path) <= maxBytes;
}
