import { plainText } from './server.ts';
import type { Page } from './server.ts';

/** Whether the agent does its work, and if not, why. */
export class Readiness {
  readonly #obstacles = new Map<string, string>();

  /** `what` stands in the way, for the reason given; undefined: it does no longer. True when that is news. */
  set(what: string, why: string | undefined): boolean {
    const before = this.#obstacles.get(what);
    if (why === undefined) this.#obstacles.delete(what);
    else this.#obstacles.set(what, why);
    return (before === undefined) !== (why === undefined);
  }

  /** Status 200, or 503 with a line for each obstacle. */
  page(): Page {
    if (this.#obstacles.size === 0) return plainText(200, 'ready');
    return plainText(503, [...this.#obstacles].map(([what, why]) => `${what}: ${why}`).join('\n'));
  }
}
