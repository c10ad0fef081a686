import type { Progress } from '../images/runner.ts';
import { plural } from '../images/wording.ts';
import type { Terminal } from './terminal.ts';

const BAR_CELLS = 30;
/** Plain lines come at most so many times over a run: they end up in logs. */
const PLAIN_STEPS = 10;
const CLEAR_LINE = '\r\u001B[K';

/** How far a cleaning is, on standard error: one line drawn again and again on a terminal, a few plain lines elsewhere. */
export class ProgressDisplay {
  readonly #terminal: Terminal;
  #stepsSaid = 0;
  #drawn = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  show(progress: Progress): void {
    const { planned, removed, skipped, failed } = progress;
    const settled = Math.min(planned, removed + skipped + failed);
    if (planned === 0) return;
    if (this.#terminal.isLive) {
      this.#draw(`${bar(settled / planned)} ${settled}/${planned}${remarks(progress)}`);
      return;
    }
    const step = Math.floor((settled / planned) * PLAIN_STEPS);
    if (step <= this.#stepsSaid) return;
    this.#stepsSaid = step;
    this.#terminal.err(`${settled} of ${plural(planned, 'image')} done${remarks(progress)}\n`);
  }

  /** A line that changes while somebody waits. On a terminal only. */
  say(text: string): void {
    if (this.#terminal.isLive) this.#draw(text);
  }

  /** Takes the line away: what follows is written from its start. */
  clear(): void {
    if (this.#drawn) this.#terminal.err(CLEAR_LINE);
    this.#drawn = false;
  }

  #draw(text: string): void {
    const width = (this.#terminal.columns ?? 80) - 1;
    this.#terminal.err(`${CLEAR_LINE}${text.slice(0, width)}`);
    this.#drawn = true;
  }
}

/** `[#####.....]`. */
export function bar(share: number): string {
  const full = Math.round(share * BAR_CELLS);
  return `[${'#'.repeat(full)}${'.'.repeat(BAR_CELLS - full)}]`;
}

function remarks({ skipped, failed }: Progress): string {
  const parts = [skipped > 0 ? `${skipped} left` : '', failed > 0 ? `${failed} failed` : ''].filter(Boolean);
  return parts.length > 0 ? ` (${parts.join(', ')})` : '';
}
