import { open } from 'node:fs/promises';

/** Some names of 20 letters each: a full upgrade of a distribution fits. */
const MAX_BYTES = 64 * 1024;
const MAX_PACKAGES = 200;
/** As Debian's, RPM's and Alpine's package names may be, with an architecture. Everything else is left out: it is shown to people. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9+._:~-]{0,127}$/;

/** The names in a list of packages, one a line, each once, in their order. Empty when there is no list or it cannot be read. */
export async function readPackages(path: string): Promise<readonly string[]> {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_BYTES), 0, MAX_BYTES, 0);
      return packageNames(buffer.toString('utf8', 0, bytesRead));
    } finally {
      await file.close();
    }
  } catch {
    // The list only explains the wish: without it the wish stands.
    return [];
  }
}

export function packageNames(text: string): readonly string[] {
  const names = text.split('\n').map((line) => line.trim());
  return [...new Set(names.filter((name) => NAME.test(name)))].slice(0, MAX_PACKAGES);
}
