import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { Gatherer } from '../../../agent/images/gather.ts';
import { History } from '../../../agent/images/history.ts';
import { VirtualClock } from '../../emulators/clock.ts';
import { inMemoryPort } from '../../emulators/runtime/in-memory-port.ts';
import { RuntimeServer } from '../../emulators/runtime/server.ts';
import { RuntimeStore } from '../../emulators/runtime/store.ts';
import { RunningCommand } from './command.ts';
import { CommandHere, type CommandHereOptions } from './commandhere.ts';
import type { Outcome } from './said.ts';

const DAY_MS = 86_400_000;

/** An emulated node and a place for state and configuration, all gone afterwards. */
export class CommandFixture {
  readonly directory: string;
  readonly store = new RuntimeStore();
  readonly server: RuntimeServer;
  readonly stateDirectory: string;
  readonly #running: (CommandHere | RunningCommand)[] = [];

  static async create(): Promise<CommandFixture> {
    const fixture = new CommandFixture(await mkdtemp(join(tmpdir(), 'nodetender-')));
    await fixture.server.start();
    // Whatever a command makes of wrong usage, it is this node that it does it to.
    vi.stubEnv('CONTAINER_RUNTIME_ENDPOINT', fixture.server.endpoint);
    return fixture;
  }

  private constructor(directory: string) {
    this.directory = directory;
    this.stateDirectory = join(directory, 'state');
    this.server = new RuntimeServer({ store: this.store, socketPath: join(directory, 'cri.sock') });
  }

  /** A command that works on this node, in the test's own process. */
  begin(args: readonly string[], options: CommandHereOptions = {}): CommandHere {
    return this.track(new CommandHere([...args, '--state-dir', this.stateDirectory], options));
  }

  async run(args: readonly string[], options: CommandHereOptions = {}): Promise<Outcome> {
    return await this.begin(args, options).outcome();
  }

  /** The same as a process of its own, as it ships. */
  spawn(args: readonly string[], env: Record<string, string> = {}): RunningCommand {
    return this.track(
      new RunningCommand([...args, '--state-dir', this.stateDirectory], {
        env: { CONTAINER_RUNTIME_ENDPOINT: this.server.endpoint, ...env },
      }),
    );
  }

  /** The same, with nowhere to write. */
  spawnOnFullDisk(args: readonly string[]): RunningCommand {
    const env = { CONTAINER_RUNTIME_ENDPOINT: this.server.endpoint };
    return this.track(RunningCommand.onFullDisk([...args, '--state-dir', this.stateDirectory], env));
  }

  track<Command extends CommandHere | RunningCommand>(command: Command): Command {
    this.#running.push(command);
    return command;
  }

  /** Removals that were asked for so far. */
  removeCalls(): number {
    return this.server.faults.calls.filter(({ method }) => method === 'RemoveImage').length;
  }

  async writeConfig(text: string): Promise<string> {
    const path = join(this.directory, 'config.yaml');
    await writeFile(path, text);
    return path;
  }

  /** A history of earlier looks: every image of the store seen `days` ago and not used since. */
  async rememberImages(days: number): Promise<void> {
    const clock = new VirtualClock(Date.now() - days * DAY_MS);
    const history = await History.open({ directory: this.stateDirectory, clock, watchGapMs: Number.POSITIVE_INFINITY });
    const gatherer = new Gatherer({ port: inMemoryPort(this.store), history, clock });
    await gatherer.gather();
    await clock.advance(days * DAY_MS);
    await gatherer.gather();
    await history.save();
  }

  async dispose(): Promise<void> {
    for (const command of this.#running) await command.dispose();
    await this.server.stop();
    vi.unstubAllEnvs();
    await rm(this.directory, { recursive: true, force: true });
  }
}
