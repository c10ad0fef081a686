import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { systemClock } from '../../agent/clock.ts';
import { withBus } from '../../agent/host/bus.ts';
import { hostComponents } from './components.ts';
import { Daemon } from './daemon.ts';
import { eventually } from './eventually.ts';

const READY_DEADLINE_MS = 20_000;

export interface SystemBusOptions {
  /** What the bus itself keeps everybody from calling on logind. */
  readonly denied?: readonly string[];
}

/** A real dbus-daemon on a socket of its own: no service is on it but those that a test starts. */
export class SystemBus {
  readonly folder: string;
  readonly socketPath: string;
  readonly daemon: Daemon;
  readonly #logind: Daemon;
  readonly #inhibitors: ChildProcess[] = [];

  private constructor(folder: string) {
    const { dbusDaemon, logind, libraryPath } = hostComponents();
    this.folder = folder;
    this.socketPath = join(folder, 'bus');
    this.daemon = new Daemon({
      name: 'dbus-daemon',
      program: 'env',
      args: [
        `LD_LIBRARY_PATH=${libraryPath}`,
        dbusDaemon,
        `--config-file=${join(folder, 'bus.conf')}`,
        '--nofork',
        '--nopidfile',
      ],
      log: join(folder, 'dbus.log'),
      // Its socket is there before anybody listens to it.
      ready: () => this.#has('org.freedesktop.DBus'),
      readyDeadlineMs: READY_DEADLINE_MS,
    });
    this.#logind = new Daemon({
      name: 'systemd-logind',
      program: 'unshare',
      // In a mount namespace of its own, or its state would mix with that of the machine's logind.
      args: ['--mount', 'sh', '-c', LOGIND_SCRIPT, logind, `unix:path=${this.socketPath}`, libraryPath],
      log: join(folder, 'logind.log'),
      ready: () => this.#has('org.freedesktop.login1'),
      readyDeadlineMs: READY_DEADLINE_MS,
    });
  }

  static async launch({ denied = [] }: SystemBusOptions = {}): Promise<SystemBus> {
    const folder = await mkdtemp(join(tmpdir(), 'nodetender-bus-'));
    const bus = new SystemBus(folder);
    try {
      await writeFile(join(folder, 'bus.conf'), configuration(bus.socketPath, denied));
      await bus.daemon.start();
    } catch (error) {
      await bus.destroy();
      throw error;
    }
    return bus;
  }

  /** A real systemd-logind joins. Without systemd there is nobody on this bus whom it could have reboot the machine. */
  async startLogind(): Promise<void> {
    await this.#logind.start();
  }

  /** Takes an inhibitor as a package manager does, until the returned function is called. */
  async inhibit(options: { what: string; who: string; why: string; mode: string }): Promise<() => Promise<void>> {
    const { inhibit, libraryPath } = hostComponents();
    const { what, who, why, mode } = options;
    const args = [
      `--what=${what}`,
      `--who=${who}`,
      `--why=${why}`,
      `--mode=${mode}`,
      'sh',
      '-c',
      'echo taken; exec sleep 600',
    ];
    const env = {
      ...process.env,
      LD_LIBRARY_PATH: libraryPath,
      DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${this.socketPath}`,
    };
    const child = spawn(inhibit, args, { env, stdio: ['ignore', 'pipe', 'inherit'], detached: true });
    this.#inhibitors.push(child);
    await once(child.stdout, 'data');
    return () => end(child);
  }

  async destroy(): Promise<void> {
    for (const child of this.#inhibitors) await end(child);
    await this.#logind.stop();
    await this.daemon.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #has(name: string): Promise<boolean> {
    const options = { socketPath: this.socketPath, clock: systemClock };
    const [answer] = await withBus(options, undefined, (bus) =>
      bus.call({
        destination: 'org.freedesktop.DBus',
        path: '/org/freedesktop/DBus',
        interface: 'org.freedesktop.DBus',
        member: 'NameHasOwner',
        signature: 's',
        body: [name],
      }),
    );
    return answer === true;
  }
}

/** Arguments: the program, the bus's address, the libraries. */
const LOGIND_SCRIPT = `
set -e
mount -t tmpfs none /run
mkdir -p /run/systemd/seats /run/systemd/users /run/systemd/sessions /run/systemd/inhibit /run/systemd/shutdown
export DBUS_SYSTEM_BUS_ADDRESS="$1" LD_LIBRARY_PATH="$2"
exec "$0"
`;

function configuration(socketPath: string, denied: readonly string[]): string {
  const denials = denied.map(
    (member) =>
      `<deny send_destination="org.freedesktop.login1" send_interface="org.freedesktop.login1.Manager" send_member="${member}"/>`,
  );
  return `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>custom</type>
  <listen>unix:path=${socketPath}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    ${denials.join('\n    ')}
  </policy>
</busconfig>
`;
}

/** The program that holds an inhibitor, and the one it runs. */
async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  process.kill(-child.pid, 'SIGKILL');
  await eventually('the inhibitor ends', () => child.exitCode !== null || child.signalCode !== null);
}
