import { createHash } from 'node:crypto';

/** 64 hex digits that depend on `text` alone: emulated IDs are the same in every run. */
export function hexOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/**
 * The name under which containerd stores an image: `busybox` is `docker.io/library/busybox:latest`, and where both a tag
 * and a digest are given the digest wins. Written apart from agent/images/references.ts on purpose: an emulator that
 * shared that code could not show a mistake in it. Undefined for text that is no reference.
 */
export function normalizeName(name: string): string | undefined {
  const parts = /^(?<path>[^@]+?)(?::(?<tag>[\w][\w.-]{0,127}))?(?:@(?<digest>sha256:[0-9a-f]{64}))?$/.exec(
    name,
  )?.groups;
  const path = parts?.path;
  if (path === undefined || !/^[a-zA-Z0-9][\w.:-]*(?:\/[a-z0-9][a-z0-9._-]*)*$/.test(path)) return undefined;
  // A repository of 64 hex digits would be confused with an ID: refused there too.
  if (/^[0-9a-f]{64}$/.test(path)) return undefined;
  const slash = path.indexOf('/');
  const first = slash === -1 ? '' : path.slice(0, slash);
  const hasDomain = first.includes('.') || first.includes(':') || first === 'localhost';
  const [domain, rest] = hasDomain ? [first, path.slice(slash + 1)] : ['docker.io', path];
  if (!/^[a-z0-9][a-z0-9._/-]*$/.test(rest)) return undefined;
  const repository = domain === 'docker.io' && !rest.includes('/') ? `library/${rest}` : rest;
  const suffix = parts?.digest === undefined ? `:${parts?.tag ?? 'latest'}` : `@${parts.digest}`;
  return `${domain}/${repository}${suffix}`;
}
