import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import * as z from 'zod/mini';
import { messageOf, NodetenderError } from '../errors.ts';
import type { Schedule } from '../images/schedule.ts';
import { readDocument } from './document.ts';
import { problem, problemsOf, refusal } from './problems.ts';
import type { Problem } from './problems.ts';
import { rebootConfig } from './rebootconfig.ts';
import { keysAt, schema } from './schema.ts';

/** A ConfigMap holds at most 1 MiB; a thousand rules are 64 KiB. */
const MAX_BYTES = 256 * 1024;
const TOO_LARGE = problem([], `expected at most ${MAX_BYTES} bytes, found more`, undefined);
/** When neither `every` nor `cron` is given; weekly, as AKS does it. */
const DEFAULT_EVERY_MS = 7 * 86_400_000;

/** A validated configuration. Durations are milliseconds, sizes bytes; undefined is off, unlimited or found out by itself. */
export type Config = ReturnType<typeof toConfig>;

/** What `{}` means. */
export const defaultConfig: Config = parseConfig('{}', 'the defaults');

/**
 * Reads a configuration; `source` names it in messages. Throws NodetenderError `config/invalid`, whose message has a line
 * for each offending field: its path, what was expected, what was found.
 */
export function parseConfig(text: string, source: string): Config {
  if (Buffer.byteLength(text) > MAX_BYTES) throw refused(source, [TOO_LARGE]);
  const document = readDocument(text);
  const parsed = z.safeParse(schema, document.value, { reportInput: true });
  const problems = [...document.problems];
  if (!parsed.success) problems.push(...problemsOf(parsed.error.issues, document.lines, keysAt));
  if (!parsed.success || problems.length > 0) throw refused(source, problems);
  return toConfig(parsed.data);
}

/** Reads a configuration file. Throws `config/unreadable`, or `config/invalid` as parseConfig does. */
export async function loadConfig(path: string): Promise<Config> {
  return parseConfig(await readConfigFile(path), path);
}

/** The text of a configuration file. Throws `config/unreadable`, or `config/invalid` when it is too large or no text. */
export async function readConfigFile(path: string): Promise<string> {
  const bytes = await readAtMost(path, MAX_BYTES + 1).catch((error: unknown) => {
    throw new NodetenderError('config/unreadable', `the configuration ${path} cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  });
  if (bytes.length > MAX_BYTES) throw refused(path, [TOO_LARGE]);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw refused(path, [problem([], 'expected UTF-8 text, found other bytes', undefined)]);
  }
}

async function readAtMost(path: string, maxBytes: number): Promise<Uint8Array> {
  // Not blocking: opening a named pipe would otherwise wait for a writer, for ever.
  // oxlint-disable-next-line no-bitwise -- open(2) takes its flags as bits
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!(await file.stat()).isFile()) throw new Error('it is not a regular file');
    const buffer = new Uint8Array(maxBytes);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, maxBytes - length);
      length += bytesRead;
      if (bytesRead === 0 || length === maxBytes) return buffer.subarray(0, length);
    }
  } finally {
    await file.close();
  }
}

function refused(source: string, problems: readonly Problem[]): NodetenderError {
  return new NodetenderError('config/invalid', refusal(source, problems));
}

/** From the file's words to the rooms': units in the names, and what belongs together in one value. */
function toConfig({ stateDirectory, runtime, log, http, images, cluster, reboot }: z.output<typeof schema>) {
  const { schedule, budget, disk } = images;
  const when: Schedule['when'] = schedule.cron
    ? { cron: schedule.cron, timeZone: schedule.timeZone }
    : { everyMs: schedule.every ?? DEFAULT_EVERY_MS };
  return {
    stateDirectory,
    /** `unix://` and the path of the socket. */
    runtime: { endpoint: runtime.endpoint ?? undefined },
    log,
    http: http.address ?? undefined,
    images: {
      enabled: images.enabled,
      schedule: {
        when,
        jitterMs: schedule.jitter,
        runAtStart: schedule.runAtStart,
      },
      minUnusedMs: images.minUnused,
      removeUnused: images.removeUnused,
      keep: images.keep,
      remove: images.remove,
      keepPreloaded: images.keepPreloaded,
      keepNewestTags: images.keepNewestTags,
      keepSystemImages: images.systemImages === 'keep',
      removeOrphans: images.removeOrphans,
      budget: { images: budget.images ?? undefined, bytes: budget.bytes ?? undefined },
      /** Undefined: no watermarks. */
      disk:
        disk.startAbove === null
          ? undefined
          : {
              startAbovePercent: disk.startAbove,
              stopBelowPercent: disk.stopBelow,
              minUnusedMs: disk.minUnused,
              path: disk.path ?? undefined,
              checkEveryMs: disk.checkEvery,
            },
      pace:
        typeof images.pace === 'string'
          ? images.pace
          : { burst: images.pace.burst, pauseMs: images.pace.pause, slowCallMs: images.pace.slowCall },
      sampleEveryMs: images.sampleEvery,
    },
    cluster: {
      enabled: cluster.enabled,
      nodeName: cluster.nodeName ?? undefined,
      namespace: cluster.namespace ?? undefined,
      /** Infinity: however long. */
      unreachableLimitMs: cluster.unreachableLimit,
      settleMs: cluster.settle,
      /** Undefined: the agent's own and kube-system. */
      excludeNamespaces: cluster.excludeNamespaces ?? undefined,
      nodeFilter: cluster.nodeFilter,
      imageList: { timeoutMs: cluster.imageList.timeout },
    },
    reboot: rebootConfig(reboot),
  };
}
