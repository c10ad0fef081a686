import type { Terminal } from '../../../agent/cli/terminal.ts';

/** A terminal that keeps what was written. */
export class RecordedTerminal implements Terminal {
  readonly columns: number | undefined;
  readonly isLive: boolean;
  readonly rows: number | undefined;
  readonly ask: Terminal['ask'];
  stdout = '';
  stderr = '';

  constructor(options: { columns?: number; isLive?: boolean; rows?: number; answer?: () => Promise<string> } = {}) {
    this.columns = options.columns;
    this.isLive = options.isLive ?? false;
    this.rows = options.rows;
    const { answer } = options;
    if (answer !== undefined) {
      this.ask = async (question) => {
        this.stderr += question;
        return await answer();
      };
    }
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
