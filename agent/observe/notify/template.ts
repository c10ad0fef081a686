/** What happens to a node that people are told of. */
export type NotifyEvent = 'drain' | 'reboot' | 'uncordon' | 'problem';

export interface Note {
  readonly event: NotifyEvent;
  readonly node: string;
  readonly pool: string;
  /** One sentence. */
  readonly reason: string;
}

export const TEXT_PLACEHOLDERS: readonly (keyof Note)[] = ['node', 'pool', 'reason', 'event'];
export const BODY_PLACEHOLDERS = ['message', ...TEXT_PLACEHOLDERS] as const;

/** Reasons quote strangers, and receivers refuse long messages. */
const MAX_VALUE_LENGTH = 500;

const PLACEHOLDER = /\{\{ *(\w{1,20}) *\}\}/g;

/** Names in double braces, as written in the template. */
export function placeholdersOf(template: string): string[] {
  return [...template.matchAll(PLACEHOLDER)].map(([, name]) => name ?? '');
}

/** The template with its placeholders filled. `%s` is the node, too: so kured's templates have it. */
export function renderText(template: string, note: Note): string {
  const filled = fill(template, new Map(Object.entries(note)));
  return template.includes('{{') ? filled : filled.replaceAll('%s', () => note.node);
}

/** JSON with placeholders in its strings, filled. What is filled in never ends a string: it is parsed first. */
export function renderBody(template: string, message: string, note: Note): string {
  const values = new Map(Object.entries({ message, ...note }));
  const walk = (value: unknown): unknown => {
    if (typeof value === 'string') return fill(value, values);
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, walk(child)]));
  };
  return JSON.stringify(walk(JSON.parse(template)));
}

function fill(template: string, values: ReadonlyMap<string, string>): string {
  return template.replaceAll(PLACEHOLDER, (written, name: string) => plain(values.get(name) ?? written));
}

function plain(value: string): string {
  // oxlint-disable-next-line no-control-regex -- they would break the lines of a message
  const line = value.replaceAll(/[\u0000-\u001F\u007F-\u009F]+/g, ' ');
  return line.length > MAX_VALUE_LENGTH ? `${line.slice(0, MAX_VALUE_LENGTH)}…` : line;
}
