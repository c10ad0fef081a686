import type { DrainSite } from './drainsite.ts';
import type { DrainRequest, Ending } from './drainways.ts';

export interface DrainCase {
  readonly name: string;
  readonly request?: Partial<DrainRequest>;
  readonly ending?: Ending;
  /** The rehearsal says so before anything is cordoned. */
  readonly impossible?: boolean;
  /** The pods that go, of those that the test made; all others stay as they are. */
  readonly goes: readonly string[];
  readonly setUp: (site: DrainSite) => Promise<void>;
  /** Begins with the drain. */
  readonly meanwhile?: (site: DrainSite) => Promise<void>;
}

/** For drains that end by their timeout: kubectl tries again after 5 s at the earliest, and looks at its timeout then. */
export const soon = { timeoutSeconds: 3 };

export const web = { labels: { app: 'web' } };

export async function both(...works: readonly Promise<void>[]): Promise<void> {
  await Promise.all(works);
}
