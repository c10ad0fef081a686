import { readdirSync, readFileSync } from 'node:fs';

const root = new URL('../../../', import.meta.url);

/** A file of the project, by its path from the root. */
export function textOf(path: string): string {
  return readFileSync(new URL(path, root), 'utf8');
}

/** Every page that people read, by its path from the root. */
export function pages(): string[] {
  const inFolder = (folder: string): string[] =>
    readdirSync(new URL(folder, root))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `${folder}${name}`);
  return [...inFolder(''), ...inFolder('docs/')].map((path) => path.replace(/^\.\//, ''));
}

/** What stands below a heading of any depth, up to the next of the same depth or a higher one. */
export function sectionOf(text: string, heading: string): string {
  const marks = new RegExp(`^(#+) ${heading}$`, 'm').exec(text)?.[1];
  if (marks === undefined) throw new Error(`no heading ${heading}`);
  const [, after = ''] = text.split(`\n${marks} ${heading}\n`);
  return after.split(new RegExp(`^#{1,${marks.length}} `, 'm'))[0] ?? '';
}

/** What stands between backticks, outside of blocks of code. */
export function quotedIn(text: string): string[] {
  return [...text.matchAll(/`([^`\n]+)`/g)].map(([, quoted = '']) => quoted);
}

/** The first cells of the rows of tables. */
export function rowsOf(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split(' | ')[0] ?? '');
}

/** The sources of the agent, one after the other, without the file of that name. */
export function agentSource(except: string): string {
  return readdirSync(new URL('agent/', root), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && path !== except)
    .map((path) => textOf(`agent/${path}`))
    .join('\n');
}
