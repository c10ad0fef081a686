import { readFile } from 'node:fs/promises';
import { messageOf, NodetenderError } from '../../errors.ts';
import { Secret } from '../../secret.ts';
import { parseDestination } from './destination.ts';
import type { Destination } from './destination.ts';

/** Where the URL of a destination stands. */
export type Address = Secret | { readonly file: string } | { readonly env: string };

/** How it is named in logs and metrics. */
export function nameOf(address: Address): string {
  if (address instanceof Secret) return `${parseDestination(address.reveal()).kind} (url)`;
  return 'file' in address ? address.file : `$${address.env}`;
}

/** Reads the URL anew, because mounted Secrets change. Throws NodetenderError `notify/no-url`, which does not quote it. */
export async function destinationAt(address: Address, environment: NodeJS.ProcessEnv): Promise<Destination> {
  const where = address instanceof Secret ? 'url' : nameOf(address);
  try {
    const text = await read(address, environment);
    if (text === undefined) throw new Error('it is not set');
    return parseDestination(text.trim());
  } catch (error) {
    throw new NodetenderError('notify/no-url', `the URL for messages in ${where}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function read(address: Address, environment: NodeJS.ProcessEnv): Promise<string | undefined> {
  if (address instanceof Secret) return address.reveal();
  return 'file' in address ? await readFile(address.file, 'utf8') : environment[address.env];
}
