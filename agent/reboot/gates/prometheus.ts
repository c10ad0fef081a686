import { readFile } from 'node:fs/promises';
import type { Clock } from '../../clock.ts';
import { messageOf, NodetenderError } from '../../errors.ts';
import { exchange } from '../../web/exchange.ts';
import { readSamples } from './samples.ts';
import type { Sample } from './samples.ts';

export interface PrometheusOptions {
  /** Its address; `/api/v1/query` is added to its path. */
  readonly url: string;
  /** File with a bearer token, read at each query, because such tokens are renewed. */
  readonly tokenFile: string | undefined;
  readonly timeoutMs: number;
}

/** Two thousand alerts with many labels are about a megabyte. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** Asks one query, once. Throws NodetenderError `prometheus/…` or `web/…`: whoever asks takes that for a no. */
export async function queryPrometheus(
  { url, tokenFile, timeoutMs }: PrometheusOptions,
  query: string,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<Sample[]> {
  const address = new URL(url);
  address.pathname = `${address.pathname.replace(/\/$/, '')}/api/v1/query`;
  // GET: proxies that let people read Prometheus often allow nothing else. Its durations are whole numbers: it refuses `1.5s`.
  address.search = new URLSearchParams({ query, timeout: `${timeoutMs}ms` }).toString();
  const headers = tokenFile === undefined ? {} : { authorization: `Bearer ${await readToken(tokenFile)}` };
  const limits = { deadlineMs: timeoutMs, maxBytes: MAX_ANSWER_BYTES, clock, signal };
  const { status, body } = await exchange({ method: 'GET', url: address, headers }, limits);
  return readSamples(status, body);
}

async function readToken(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    throw new NodetenderError('prometheus/failed', `the token for Prometheus cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
