export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** How long anything here may take before the test fails: far more than it needs on a loaded machine. */
export const DEADLINE_MS = 60_000;

/** What a command has written so far, wherever it runs. */
export class Said {
  stdout = '';
  stderr = '';
  #onOutput = (): void => undefined;

  readonly out = (text: string): void => {
    this.stdout += text;
    this.#onOutput();
  };

  readonly err = (text: string): void => {
    this.stderr += text;
    this.#onOutput();
  };

  /** Waits until standard output or error matches. */
  async until(pattern: RegExp): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = (): void => {
      if (pattern.test(this.stdout) || pattern.test(this.stderr)) resolve();
    };
    this.#onOutput = look;
    look();
    await within(promise, () => `never said ${String(pattern)}; ${this.#sofar()}`);
  }

  /** What it said in all, with the status it ends with. Rejects where it does not end in time. */
  async outcome(status: Promise<number | null>): Promise<Outcome> {
    const ended = await within(status, () => `the command did not end; ${this.#sofar()}`);
    return { status: ended, stdout: this.stdout, stderr: this.stderr };
  }

  /** The log of an agent. */
  log(): Record<string, unknown>[] {
    const lines = this.stdout.split('\n').filter((line) => line.startsWith('{') && line.endsWith('}'));
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  #sofar(): string {
    return `it said:\n${this.stdout}${this.stderr}`;
  }
}

async function within<T>(promise: Promise<T>, why: () => string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(why())), DEADLINE_MS);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
