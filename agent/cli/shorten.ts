/** What stands for the part left out. */
const GAP = '…';
/** As many hexadecimal digits of an ID or digest as container tools show. */
const SHORT_DIGITS = 12;

/** `sha256:3f1c…` as the 12 digits that container tools show. */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, SHORT_DIGITS);
}

/**
 * An image name in at most `width` characters. What tells images apart goes last: a digest keeps 12 digits, then folders
 * between registry and last name go, then the registry, then the middle of what is left.
 */
export function shortenImageName(name: string, width: number): string {
  if (name.length <= width) return name;
  const short = name.replace(/^(.*@)?(sha256:[0-9a-f]{12})[0-9a-f]{52}$/, `$1$2${GAP}`);
  if (short.length <= width) return short;
  const folders = short.split('/');
  const first = folders[0] ?? '';
  const last = folders.length - 1;
  for (let kept = last - 1; kept >= 1; kept -= 1) {
    const shortened = `${first}/${GAP}/${folders.slice(-kept).join('/')}`;
    if (shortened.length <= width) return shortened;
  }
  for (let kept = last; kept >= 1; kept -= 1) {
    const shortened = `${GAP}/${folders.slice(-kept).join('/')}`;
    if (shortened.length <= width) return shortened;
  }
  return shortenMiddle(folders.at(-1) ?? short, width);
}

/** `text` with its middle left out where it is longer than `width`. */
export function shortenMiddle(text: string, width: number): string {
  if (text.length <= width) return text;
  if (width <= 1) return GAP.slice(0, Math.max(0, width));
  const start = Math.floor((width - 1) / 2);
  return `${text.slice(0, start)}${GAP}${text.slice(text.length - (width - 1 - start))}`;
}

/** `text` with its end left out where it is longer than `width`. */
export function shortenEnd(text: string, width: number): string {
  if (text.length <= width) return text;
  return width < 1 ? '' : `${text.slice(0, width - 1).trimEnd()}${GAP}`;
}
