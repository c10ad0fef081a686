import { perform } from './commands.ts';
import { Stage } from './stage.ts';
import { summary } from './surroundings.ts';

/**
 * A scenario is a text in paragraphs: lines that begin with `#` say what it is about, the others are commands, and below `----` stands
 * what was recorded of them, closed by a line on how things stand then. Returns the text with the record made anew.
 */
export function replay(text: string): string {
  const stage = new Stage();
  // An agent that has just started and wants nothing.
  stage.takeLines();
  const paragraphs = text.trim().split(/\n{2,}/);
  return `${paragraphs.map((paragraph) => replayed(stage, paragraph)).join('\n\n')}\n`;
}

function replayed(stage: Stage, paragraph: string): string {
  const lines = paragraph.split('\n');
  const end = lines.indexOf('----');
  const given = end === -1 ? lines : lines.slice(0, end);
  const commands = given.filter((line) => !line.startsWith('#'));
  if (commands.length === 0) return given.join('\n');
  for (const command of commands) perform(stage, command);
  return [...given, '----', ...stage.takeLines(), `= ${summary(stage.around)}`].join('\n');
}
