import type { Build } from './build.ts';
import type { Clock, Random } from './clock.ts';
import type { Config } from './config/load.ts';
import { type ConfigOverrides, followConfig } from './duties/config.ts';
import type { EraserDuty } from './duties/eraser.ts';
import { Gate } from './duties/gate.ts';
import { RebootsWhenEnabled } from './duties/reboots.ts';
import { ImageDuty } from './duties/images.ts';
import type { Joined } from './duties/joincluster.ts';
import { type Reached, reachRuntime } from './duties/runtime.ts';
import { messageOf, NodetenderError } from './errors.ts';
import { History } from './images/history.ts';
import { RunTimer } from './images/timer.ts';
import type { Logger } from './observe/log.ts';
import { Metrics } from './observe/metrics.ts';
import { Readiness } from './observe/readiness.ts';
import { type PageServer, plainText, servePages } from './observe/server.ts';
import type { RuntimePort } from './runtime/port.ts';

/** What reaches the agent from outside while it runs. */
export interface AgentRequests {
  /** Aborts when the agent is to end: calls in flight finish, the history is saved. */
  readonly stop: AbortSignal;
  /** Replaces the listener. */
  onRunNow(listener: () => void): void;
  onReload(listener: () => void): void;
}

export interface AgentOptions {
  /** Undefined: the defaults. */
  readonly configPath: string | undefined;
  readonly overrides: ConfigOverrides;
  readonly requests: AgentRequests;
  /** Finds the runtime's socket, where `endpoint` is undefined, and opens a channel to it. */
  readonly connect: (
    endpoint: string | undefined,
    onHealth: (problem: NodetenderError | undefined) => void,
  ) => Promise<Reached>;
  /** Finds the way to the cluster of this host; undefined where there is none. Sends nothing yet. */
  readonly join: (cluster: Config['cluster']) => Promise<Joined | undefined>;
  readonly build: Build;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * The agent's life, from start to stop. Resolves when it was asked to stop and calls in flight have finished. Rejects when
 * it cannot begin (a refused configuration while none of before is known, an address that cannot be listened on), and later only with a defect.
 */
export async function runAgent(options: AgentOptions): Promise<void> {
  const { configPath: path, overrides, requests, connect, join, build, log, clock, random } = options;
  const metrics = new Metrics(build);
  const readiness = new Readiness();
  const over = new AbortController();
  const signal = AbortSignal.any([requests.stop, over.signal]);
  let server: PageServer | undefined;
  let port: RuntimePort | undefined;
  let cluster: Joined | undefined;
  log.info({ ...build, node: process.version, config: path ?? 'defaults' }, 'agent starts');
  try {
    let onChange = (): void => undefined;
    let onRefused = (_error: NodetenderError): void => undefined;
    const live = await followConfig(
      {
        path,
        overrides,
        clock,
        log,
        metrics,
        onChange: () => onChange(),
        onRefused: (error) => onRefused(error),
      },
      signal,
    );
    const config = live.current();
    log.info(summaryOf(config), 'configuration in force');
    requests.onReload(live.lookNow);
    let isRunWanted = false;
    requests.onRunNow(() => {
      isRunWanted = true;
      log.info('a run was asked for; it waits until the container runtime is reached');
    });
    requests.stop.addEventListener('abort', () => readiness.set('agent', 'it is stopping'));
    cluster = await join(config.cluster);
    if (cluster !== undefined) {
      const { server: apiServer, nodeName: node, namespace } = cluster;
      log.info({ apiServer, node, namespace }, 'member of a cluster');
    }
    server = await serve(config.http, metrics, readiness, log);

    const directory = config.stateDirectory;
    const history = await History.open({ directory, clock });
    if (history.problem !== undefined) log.error({ error: history.problem }, 'image history lost');
    log.info({ directory, origin: history.origin, images: history.size }, 'image history');
    const timer = await RunTimer.open({ directory, clock, random, schedule: () => live.current().images.schedule });
    if (timer.problem !== undefined) log.error({ error: timer.problem }, 'state of the schedule lost');
    let onConfig = (): void => undefined;
    onChange = () => {
      metrics.nextRun(timer.nextRunMs());
      onConfig();
    };

    port = await reachRuntime(
      {
        connect: (onHealth) => connect(config.runtime.endpoint, onHealth),
        clock,
        random,
        log,
        metrics,
        readiness,
      },
      signal,
    );
    if (port !== undefined) {
      const surroundings = { config: live.current, metrics, log, clock, random };
      const gate = new Gate();
      const node =
        cluster === undefined
          ? undefined
          : // Loaded in a cluster only: on a plain host it would be memory spent for nothing.
            new (await import('./duties/node.ts')).NodeDuty({
              ...surroundings,
              ...cluster,
              version: build.version,
              gate,
              run: (request) => images.request(request),
              facts: () => images.facts,
              onNodeChanged: () => {
                eraser?.nodeChanged();
                reboots?.look();
              },
              nextRunMs: () => (live.current().images.enabled ? timer.nextRunMs() : undefined),
              readiness,
            });
      const eraser: EraserDuty | undefined =
        cluster === undefined || node === undefined
          ? undefined
          : await (
              await import('./duties/eraser.ts')
            ).EraserDuty.open({
              ...surroundings,
              ...cluster,
              gate,
              node: () => node.view.node,
              run: (request) => images.request(request),
              tell: (note) => node.tell(note),
              warn: (reason, action, note) => node.warn(reason, action, note),
            });
      const member = cluster;
      const reboots: RebootsWhenEnabled | undefined =
        member === undefined || node === undefined
          ? undefined
          : new RebootsWhenEnabled({
              ...surroundings,
              node: () => node.view.node,
              onFailed: ({ message }) => node.warn('RebootsUnavailable', 'Reboot', message),
              open: async () => {
                const { openReboots } = await import('./duties/reboot/open.ts');
                return await openReboots({
                  ...surroundings,
                  ...member,
                  env: process.env,
                  node: () => node.view.node,
                  podsChangedAtMs: () => node.view.podsChangedAtMs,
                  checkPause: async (until) => await node.view.checkPause(until),
                  paused: () => node.view.pausedWithin(live.current().cluster.unreachableLimitMs),
                  event: ({ regarding, ...note }) => node.tellOfNode(note, regarding),
                  signal,
                });
              },
            });
      const images: ImageDuty = new ImageDuty(
        {
          ...surroundings,
          config: () => eraser?.withExclusions(live.current()) ?? live.current(),
          port,
          history,
          timer,
          uses: node === undefined ? [] : [node.uses],
          gate,
          observer: node?.observer,
        },
        signal,
      );
      onConfig = () => reboots?.look();
      if (node !== undefined) {
        onRefused = (error) => node.configRefused(error);
        const refused = live.refused();
        if (refused !== undefined) node.configRefused(refused);
      }
      const runNow = (): void => void images.request({ trigger: 'signal' });
      requests.onRunNow(runNow);
      if (isRunWanted) runNow();
      await Promise.all([images.work(), node?.work(signal), eraser?.work(signal), reboots?.work(signal), live.ended]);
      await node?.finish();
    }
    log.info('agent stopped');
  } finally {
    over.abort();
    port?.close();
    cluster?.port.close();
    await server?.close();
  }
}

/** The settings that decide what happens, in the words of the configuration file as far as they are plain values. */
function summaryOf({ stateDirectory, runtime, http, images, cluster }: Config): Record<string, unknown> {
  const texts = (parsed: readonly { readonly text: string }[]): string[] => parsed.map(({ text }) => text);
  return {
    stateDirectory,
    runtime,
    http,
    images: {
      ...images,
      keep: texts(images.keep),
      remove: texts(images.remove),
      keepNewestTags: images.keepNewestTags.map(({ repository, count }) => ({ repository: repository.text, count })),
    },
    cluster: { ...cluster, nodeFilter: { ...cluster.nodeFilter, selectors: texts(cluster.nodeFilter.selectors) } },
  };
}

async function serve(
  address: Config['http'],
  metrics: Metrics,
  readiness: Readiness,
  log: Logger,
): Promise<PageServer | undefined> {
  if (address === undefined) return undefined;
  const pages = {
    '/metrics': async () => ({ status: 200, ...(await metrics.page()) }),
    // Alive means that this answers: whether the runtime does is no reason to be killed and started again.
    '/healthz': () => plainText(200, 'ok'),
    '/readyz': () => readiness.page(),
  };
  try {
    const server = await servePages(address, pages, (page, error) => log.error({ page, error }, 'page failed'));
    log.info({ ...server.address }, 'metrics and health are served');
    return server;
  } catch (error) {
    throw new NodetenderError(
      'usage',
      `http.address ${address.host}:${address.port} cannot be listened on: ${messageOf(error)}. Expected a free port of this host; "" serves nothing`,
      { cause: error },
    );
  }
}
