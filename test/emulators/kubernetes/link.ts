/** The network between one client and the server, which can fail. */
export class Link {
  #life = new AbortController();
  /** Requests arrive and are acted on, but their answers are lost. */
  answersLost = false;

  get up(): boolean {
    return !this.#life.signal.aborted;
  }

  /** Aborts when the link goes down. */
  get signal(): AbortSignal {
    return this.#life.signal;
  }

  /** What is open is cut, and what is asked is refused until `restore`. */
  down(): void {
    this.#life.abort();
  }

  restore(): void {
    if (!this.up) this.#life = new AbortController();
    this.answersLost = false;
  }
}
