import { parseDestination } from '../observe/notify/destination.ts';
import { field, list, mapping, optional, section } from './fields.ts';
import { environmentVariable, messageTemplate, notifyUrl, webhookBody } from './reboottexts.ts';
import { absolutePath } from './texts.ts';

const MAX_DESTINATIONS = 10;

const destination = mapping(
  {
    url: optional(notifyUrl, 'Its URL, in the clear. slack, teams, discord and generic forms are understood.'),
    urlFile: optional(absolutePath, 'File that holds the URL, such as a mounted Secret. Read at each message.'),
    urlEnv: optional(environmentVariable, 'Environment variable that holds the URL.'),
    body: optional(
      webhookBody,
      'Body sent to a generic webhook, JSON with {{message}}, {{event}}, {{node}}, {{pool}} and {{reason}} in its strings.',
    ),
  },
  ({ url, urlFile, urlEnv, body }) => {
    // Undefined are those refused by themselves.
    if (url && body && parseDestination(url.reveal()).kind !== 'webhook') {
      return { key: 'body', what: 'expected generic:// or generic+https:// as the url beside it, found another form' };
    }
    const given = [url, urlFile, urlEnv].filter((way) => way !== null).length;
    if (given === 1) return undefined;
    return { key: 'url', what: `expected one of url, urlFile and urlEnv, found ${given === 0 ? 'none' : 'several'}` };
  },
);

export const notifySection = section('Messages to people about reboots.', {
  to: field(list(destination, MAX_DESTINATIONS), [], 'Where they go.'),
  messages: section('Their texts, with {{node}}, {{pool}} and {{reason}}. "" for one that is not sent.', {
    drain: field(messageTemplate, 'Draining node {{node}}', 'As the drain begins.'),
    reboot: field(messageTemplate, 'Rebooting node {{node}}', 'As the reboot begins.'),
    uncordon: field(
      messageTemplate,
      'Node {{node}} has rebooted and takes pods again',
      'When the node has proven its reboot and its health.',
    ),
    problem: field(messageTemplate, 'Node {{node}}: {{reason}}', 'When a person is needed: it failed, or hangs.'),
  }),
});
