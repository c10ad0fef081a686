import { readFileSync } from 'node:fs';

/** What is running: put in by the bundler, read from the checkout otherwise. */
export interface Build {
  readonly version: string;
  /** The commit it was built from, or `checkout`. */
  readonly commit: string;
}

declare const NODETENDER_VERSION: string | undefined;
declare const NODETENDER_COMMIT: string | undefined;

export const build: Build = {
  version: typeof NODETENDER_VERSION === 'string' ? NODETENDER_VERSION : versionOfCheckout(),
  commit: typeof NODETENDER_COMMIT === 'string' ? NODETENDER_COMMIT : 'checkout',
};

function versionOfCheckout(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return (manifest as { version: string }).version;
}
