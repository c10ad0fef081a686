import { randomUUID } from 'node:crypto';

import type { JsonObject, StoredObject } from './objects.ts';
import type { Representation } from './representation.ts';
import { badRequest, expired, StatusError } from './status.ts';

/** What is left of a list that is read in pages: all pages show the moment of the first. */
interface Rest {
  readonly items: readonly StoredObject[];
  readonly revision: number;
}

/** Lists under way; the oldest is forgotten, and its token is then as expired as after a compaction. */
const MAX_UNDER_WAY = 1_000;

/** Lists and their pages. */
export class Lists {
  readonly #underWay = new Map<string, Rest>();

  /** `objects` is called only where the query does not continue an earlier list. */
  answer(
    query: URLSearchParams,
    revision: number,
    representation: Representation,
    objects: () => readonly StoredObject[],
  ): JsonObject {
    const limit = Number(query.get('limit') ?? 0);
    if (!Number.isInteger(limit) || limit < 0) throw badRequest(`limit: Invalid value: "${query.get('limit')}"`);
    const token = query.get('continue') ?? '';
    if (token === '') refuseFuture(query, revision);
    const { items, revision: shown } = token === '' ? { items: objects(), revision } : this.#continued(token);
    const page = limit === 0 ? items : items.slice(0, limit);
    const rest = items.slice(page.length);
    const metadata: JsonObject = { resourceVersion: String(shown) };
    if (rest.length > 0) {
      metadata['continue'] = this.#keep({ items: rest, revision: shown });
      // Unknown under a selector, which the server would have to try on all of them; always left out here.
    }
    return representation.list(page, metadata);
  }

  forget(): void {
    this.#underWay.clear();
  }

  #continued(token: string): Rest {
    const rest = this.#underWay.get(token);
    if (rest === undefined) {
      throw expired(
        'The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.',
      );
    }
    return rest;
  }

  #keep(rest: Rest): string {
    const [oldest] = this.#underWay.keys();
    if (oldest !== undefined && this.#underWay.size >= MAX_UNDER_WAY) this.#underWay.delete(oldest);
    const token = randomUUID();
    this.#underWay.set(token, rest);
    return token;
  }
}

/** A version that has not been reached: from another server, or from before a restore. */
export function refuseFuture(query: URLSearchParams, revision: number): void {
  const wanted = Number(query.get('resourceVersion') ?? 0);
  if (!Number.isInteger(wanted) || wanted < 0) {
    throw badRequest(`resourceVersion: Invalid value: "${query.get('resourceVersion')}"`);
  }
  if (wanted <= revision) return;
  throw new StatusError(504, 'Timeout', `Too large resource version: ${wanted}, current: ${revision}`, {
    details: { causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }] },
    retryAfterSeconds: 1,
  });
}
