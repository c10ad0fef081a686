import type { InitProcess } from './initprocess.ts';

/** The same command, but seeing the host's files: it and what it calls are the host's programs. */
export function onHost(argv: readonly string[], init: InitProcess): readonly string[] {
  return ['nsenter', `--target=${init.pid}`, '--mount', '--', ...argv];
}

/** Whether it is nsenter itself that failed, with an exit status that could be the command's: it lacks the privilege, say. */
export function nsenterFailed(output: string): boolean {
  return /^nsenter: /m.test(output);
}
