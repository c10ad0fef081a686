import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { CommandsSetting } from './setting.ts';

const pages = ['comparison', 'from-eraser', 'from-kured', 'kubectl', 'operations', 'reboots', 'troubleshooting'];

/** Every line `nodetender …` of the pages, as words. */
function lines(): string[][] {
  const texts = pages.map((page) => readFileSync(new URL(`../../../../docs/${page}.md`, import.meta.url), 'utf8'));
  const typed = texts.flatMap((text) => [...text.matchAll(/^ {4}nodetender (.+?)(?: +#.*)?$/gm)]);
  return [...new Set(typed.map(([, line = '']) => line))].map((line) =>
    [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, word]) => quoted ?? word ?? ''),
  );
}

const ofTheHost = new Set(['agent', 'config', 'images']);
const endless = new Set(['--wait', '--watch', '-w']);

/** What the pages say is typed, but for waiting for agents; where there is no terminal to be asked on, one has to be sure. */
export function describePages(the: CommandsSetting): void {
  const typed = lines().filter(([command = '']) => !ofTheHost.has(command));

  it('understand what the pages say is typed', { timeout: 60_000 }, async () => {
    expect(typed.length).toBeGreaterThan(15);
    await the.createControl('default');
    const misunderstood: string[] = [];
    for (const words of typed) {
      const isAsked = words[0] === 'uninstall' || words[1] === 'release';
      const args = [...words.filter((word) => !endless.has(word)), ...(isAsked ? ['--yes'] : [])];
      const { status, stderr } = await the.run(...args);
      if (status === 2) misunderstood.push(`${args.join(' ')}: ${stderr}`);
    }
    expect(misunderstood).toEqual([]);
  });
}
