import { readFileSync } from 'node:fs';

/**
 * The commands of a page under docs/, by the heading that they stand below: lines that are indented, and what a row of a
 * table begins with.
 */
export function commandsOfPage(name: string): ReadonlyMap<string, readonly string[]> {
  const commands = new Map<string, string[]>();
  let heading = '';
  for (const line of textOfPage(name).split('\n')) {
    heading = /^#+ (.*)$/.exec(line)?.[1] ?? heading;
    const command = /^(?: {4}|\| `)((?:helm|kubectl|nodetender) (?:\\\||[^`\n])*?)(?:$|`)/
      .exec(line)?.[1]
      ?.replaceAll('\\|', '|');
    if (command === undefined) continue;
    const known = commands.get(heading);
    if (known === undefined) commands.set(heading, [command]);
    else known.push(command);
  }
  return commands;
}

export function textOfPage(name: string): string {
  return readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
}
