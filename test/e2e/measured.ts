import { stdout } from 'node:process';

/** Tells a number that the suites do not judge, or not by itself. */
export function measured(what: string, value: unknown): void {
  stdout.write(`${what}: ${JSON.stringify(value)}\n`);
}
