/**
 * Failures in a row, of each kind of attempt by itself: that the Node can be written says nothing about a Lease that is refused each
 * time in between. There are as many kinds as the code has names for.
 */
export class Attempts {
  readonly #failures = new Map<string, number>();
  #kind = '';

  begin(kind: string): void {
    this.#kind = kind;
  }

  succeeded(): void {
    this.#failures.delete(this.#kind);
  }

  /** How many of this kind in a row. */
  failed(): number {
    const failures = (this.#failures.get(this.#kind) ?? 0) + 1;
    this.#failures.set(this.#kind, failures);
    return failures;
  }
}
