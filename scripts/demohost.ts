import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../agent/clock.ts';
import { EmulatedBus } from '../test/emulators/host/bus.ts';
import { EmulatedHost } from '../test/emulators/host/host.ts';
import type { KubernetesServer } from '../test/emulators/kubernetes/server.ts';
import { measuredCost } from '../test/emulators/runtime/garbage-collector.ts';
import { liveThroughPast } from '../test/emulators/runtime/past.ts';
import { fillRealistically } from '../test/emulators/runtime/realistic.ts';
import { RuntimeServer } from '../test/emulators/runtime/server.ts';
import { RuntimeStore } from '../test/emulators/runtime/store.ts';
import { type RunningAgent, startAgent } from './demostage.ts';

/** A day: so long has the machine run when the demonstration begins. */
const UPTIME_MS = 86_400_000;

export interface DemoHostOptions {
  readonly folder: string;
  readonly name: string;
  readonly seed: number;
  readonly api: KubernetesServer;
  readonly kubeconfig: string;
}

/**
 * A machine of the cluster: its container runtime, its system bus with a logind, the kubelet's reports and a real agent, which dies
 * and is started anew with the machine.
 */
export class DemoHost {
  readonly name: string;
  readonly machine = new EmulatedHost({ clock: systemClock, shutdownMs: 300, bootMs: 700 });
  readonly #options: DemoHostOptions;
  readonly #folder: string;
  readonly #store = new RuntimeStore({ cost: measuredCost });
  readonly #runtime: RuntimeServer;
  readonly #bus: EmulatedBus;
  #agent: RunningAgent | undefined;
  /** What comes of a reboot, one step after the other. */
  #following: Promise<void> = Promise.resolve();
  #bootedAtMs = Date.now() - UPTIME_MS;

  private constructor(options: DemoHostOptions) {
    this.#options = options;
    this.name = options.name;
    this.#folder = join(options.folder, options.name);
    fillRealistically(this.#store, { images: 60 + options.seed, seed: options.seed });
    this.#runtime = new RuntimeServer({ store: this.#store, socketPath: join(this.#folder, 'containerd.sock') });
    this.#bus = new EmulatedBus(join(this.#folder, 'bus.sock'), this.machine);
  }

  /** With images that have a past, and an agent that has reached its runtime. */
  static async start(options: DemoHostOptions): Promise<DemoHost> {
    const host = new DemoHost(options);
    await mkdir(join(host.#folder, 'run'), { recursive: true });
    await host.#runtime.start();
    await host.#bus.start();
    await liveThroughPast(host.#store, { directory: host.#state, days: 12, nowMs: Date.now() });
    await writeFile(host.#config, host.#configuration());
    await options.api.clients.api.create('/api/v1/nodes', { metadata: { name: host.name } });
    await host.#report(true);
    await host.#startAgent();
    host.machine.subscribe((state) => {
      host.#following = host.#following.then(() => host.#follow(state));
      // Whoever waits for the outcome sees that it does not come.
      host.#following.catch(() => undefined);
    });
    return host;
  }

  get reboots(): number {
    return this.machine.boots.length - 1;
  }

  /** As a package does that was brought up to date. */
  async wantReboot(...packages: string[]): Promise<void> {
    await writeFile(`${this.#sentinel}.pkgs`, `${packages.join('\n')}\n`);
    await writeFile(this.#sentinel, '*** System restart required ***\n');
  }

  async stop(): Promise<void> {
    await this.#following.catch(() => undefined);
    await this.#agent?.stop();
    await this.#runtime.stop();
    await this.#bus.stop();
  }

  get #state(): string {
    return join(this.#folder, 'state');
  }

  get #config(): string {
    return join(this.#folder, 'nodetender.yaml');
  }

  get #sentinel(): string {
    return join(this.#folder, 'run', 'reboot-required');
  }

  #configuration(): string {
    // The waits of a real cluster, shortened to what a person watches.
    return JSON.stringify({
      http: { address: '127.0.0.1:0' },
      cluster: { namespace: 'nodetender' },
      reboot: {
        enabled: true,
        sentinel: { path: this.#sentinel, settle: '0s', checkEvery: '10s' },
        gates: { checkEvery: '10s' },
        health: { soak: '1s' },
      },
    });
  }

  async #startAgent(): Promise<void> {
    const boot = join(this.#folder, 'boot.json');
    await writeFile(boot, JSON.stringify({ bootId: this.machine.boot.bootId, bootedAtMs: this.#bootedAtMs }));
    const node = ['--runtime-endpoint', this.#runtime.endpoint, '--state-dir', this.#state, '--config', this.#config];
    const membership = ['--kubeconfig', this.#options.kubeconfig, '--node-name', this.name];
    const preload = new URL('demoboot.ts', import.meta.url).href;
    const environment = {
      NODE_OPTIONS: `--import=${preload}`,
      NODETENDER_DEMO_BOOT: boot,
      DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${this.#bus.socketPath}`,
    };
    this.#agent = startAgent([...node, ...membership], () => undefined, environment);
    await this.#agent.logged('container runtime');
  }

  async #follow(state: 'down' | 'up'): Promise<void> {
    if (state === 'down') {
      await this.#agent?.kill();
      // It is in /run, which does not outlive the boot.
      await Promise.all(['', '.pkgs'].map((suffix) => rm(`${this.#sentinel}${suffix}`, { force: true })));
      await this.#report(false);
      return;
    }
    this.#bootedAtMs = Date.now();
    await this.#report(true);
    await this.#startAgent();
  }

  /** As a kubelet does, or the control plane when it hears none. */
  async #report(isReady: boolean): Promise<void> {
    const sinceMs = this.reboots === 0 && isReady ? Date.now() - UPTIME_MS : Date.now();
    const lastTransitionTime = `${new Date(sinceMs).toISOString().slice(0, 19)}Z`;
    const status = isReady ? 'True' : 'Unknown';
    const ready = { type: 'Ready', status, reason: 'Demonstration', lastTransitionTime };
    const path = `/api/v1/nodes/${this.name}`;
    const found = (await this.#options.api.clients.api.get(path)) as { status?: { conditions?: { type: string }[] } };
    const others = found.status?.conditions?.filter(({ type }) => type !== 'Ready') ?? [];
    await this.#options.api.clients.api.merge(`${path}/status`, {
      status: {
        conditions: [...others, ready],
        ...(isReady ? { nodeInfo: { bootID: this.machine.boot.bootId } } : {}),
      },
    });
  }
}
