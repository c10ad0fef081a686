import type { Terminal } from '../../../agent/cli/terminal.ts';

/** A terminal that keeps what was written. */
export class RecordedTerminal implements Terminal {
  readonly columns: number | undefined;
  readonly isLive: boolean;
  stdout = '';
  stderr = '';

  constructor(options: { columns?: number; isLive?: boolean } = {}) {
    this.columns = options.columns;
    this.isLive = options.isLive ?? false;
  }

  out(text: string): void {
    this.stdout += text;
  }

  err(text: string): void {
    this.stderr += text;
  }

  paint(_color: string, text: string): string {
    return text;
  }
}
