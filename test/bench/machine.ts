import { execFileSync } from 'node:child_process';
import { cpus, release, tmpdir, totalmem } from 'node:os';

/** What numbers of seconds mean nothing without. */
export function describeMachine(): string {
  const [cpu] = cpus();
  const [, fileSystem = 'an unknown file system'] = execFileSync('df', ['--output=fstype', tmpdir()], {
    encoding: 'utf8',
  }).split('\n');
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB of memory`;
  return `${cpus().length} × ${cpu?.model ?? 'unknown CPU'}, ${memory}, disk of ${fileSystem}, Linux ${release()}, Node ${process.version}`;
}
