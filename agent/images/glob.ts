/**
 * Patterns with `*` as the only special character, matched in linear time: between two stars the leftmost occurrence is
 * always the right one, so nothing is ever tried twice and no pattern can be made slow.
 */
export interface Glob {
  readonly source: string;
  /** True when it has no star. */
  readonly literal: boolean;
  /** What lies between the stars. */
  readonly pieces: readonly string[];
  /** The same for each `/`-separated component. */
  readonly components: readonly (readonly string[])[];
  /** True when the last component is a lone `*`. */
  readonly opensBelow: boolean;
}

export function compileGlob(source: string): Glob {
  const components = source.split('/');
  return {
    source,
    literal: !source.includes('*'),
    pieces: source.split('*'),
    components: components.map((component) => component.split('*')),
    opensBelow: components.at(-1) === '*',
  };
}

/** The wide reading: `*` is any run of characters, `/` included. */
export function matchesWidely(glob: Glob, text: string): boolean {
  return fits(glob.pieces, text);
}

/** The narrow reading: `*` stays within one component; as the whole last component it is everything below, at any depth. */
export function matchesNarrowly(glob: Glob, text: string): boolean {
  if (glob.literal) return text === glob.source;
  const components = text.split('/');
  const compared = glob.opensBelow ? glob.components.length - 1 : glob.components.length;
  if (glob.opensBelow ? components.length <= compared : components.length !== compared) return false;
  for (let at = 0; at < compared; at += 1) {
    if (!fits(glob.components[at] ?? [], components[at] ?? '')) return false;
  }
  return true;
}

function fits(pieces: readonly string[], text: string): boolean {
  const first = pieces[0] ?? '';
  if (pieces.length === 1) return text === first;
  const last = pieces[pieces.length - 1] ?? '';
  const end = text.length - last.length;
  if (end < first.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  let from = first.length;
  for (let at = 1; at < pieces.length - 1; at += 1) {
    const piece = pieces[at] ?? '';
    const found = text.indexOf(piece, from);
    if (found === -1 || found + piece.length > end) return false;
    from = found + piece.length;
  }
  return true;
}
