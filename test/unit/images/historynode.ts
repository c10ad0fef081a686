import { History, type HistoryOptions } from '../../../agent/images/history.ts';
import { VirtualClock } from '../../emulators/clock.ts';
import { StateDirectory } from '../../emulators/state-directory.ts';
import { MINUTE_MS } from './examples.ts';

interface Seen {
  readonly used?: readonly string[];
  readonly nameless?: readonly string[];
  readonly complete?: boolean;
}

/** A node whose history is kept in an emulated state directory, by a virtual clock. */
export class HistoryNode {
  readonly clock = new VirtualClock();
  readonly directory = new StateDirectory();

  async open(options: Partial<HistoryOptions> = {}): Promise<History> {
    return await History.open({ directory: '/state', clock: this.clock, fileSystem: this.directory, ...options });
  }

  look(history: History, ids: readonly string[], { used = [], nameless = [], complete = true }: Seen = {}): void {
    history.observe({
      images: ids.map((id) => ({ id, nameless: nameless.includes(id) })),
      usedIds: new Set(used),
      complete,
    });
  }

  /** Looks every five minutes for a while, as the sampler does. */
  async watch(history: History, ids: readonly string[], forMs: number, seen: Seen = {}): Promise<void> {
    for (let passedMs = 0; passedMs < forMs; passedMs += 5 * MINUTE_MS) {
      await this.clock.advance(5 * MINUTE_MS);
      this.look(history, ids, seen);
    }
  }

  ageMs(history: History, id: string): number {
    return this.clock.nowMs() - history.of(id).firstSeenMs;
  }
}
