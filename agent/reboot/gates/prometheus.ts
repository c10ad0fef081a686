/** One series of an answer. */
export interface Sample {
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}
