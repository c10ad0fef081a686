import { NodetenderError } from '../../errors.ts';

/** One series of an answer of Prometheus. */
export interface Sample {
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

/** Far above what a query of alerts or of one node gives; more is a query that was not meant. */
const MAX_SAMPLES = 10_000;
const MAX_SHOWN_LENGTH = 200;

/**
 * Reads what `/api/v1/query` answered: a vector, or a scalar as one sample without labels. Throws `prometheus/failed` when it
 * says that the query failed and `prometheus/bad-response` when it is anything else.
 * https://prometheus.io/docs/prometheus/latest/querying/api/
 */
export function readSamples(status: number, body: string): Sample[] {
  const answer = asMapping(parse(body));
  if (answer?.['status'] === 'error') {
    throw new NodetenderError('prometheus/failed', `Prometheus refused the query: ${plain(answer['error'])}`);
  }
  if (status !== 200) {
    throw new NodetenderError('prometheus/failed', `Prometheus answered with HTTP status ${status}, expected 200`);
  }
  const data = asMapping(answer?.['data']);
  if (answer?.['status'] !== 'success' || !data) throw bad('an object with status and data');
  const result = data['result'];
  if (!Array.isArray(result)) throw bad('data.result to be a list');
  switch (data['resultType']) {
    case 'scalar':
      return [{ labels: new Map(), value: valueOf(result) }];
    case 'vector':
      if (result.length > MAX_SAMPLES) throw bad(`at most ${MAX_SAMPLES} series`);
      return result.map(sampleOf);
    default:
      throw bad('a query that gives a vector or a scalar');
  }
}

function sampleOf(series: unknown): Sample {
  const { metric, value } = asMapping(series) ?? {};
  const labels = Object.entries(asMapping(metric) ?? {}).map(([name, text]): [string, string] => [name, String(text)]);
  return { labels: new Map(labels), value: valueOf(value) };
}

/** Of a pair of time and value, which is a text because JSON has neither NaN nor Inf. */
function valueOf(pair: unknown): number {
  const text: unknown = Array.isArray(pair) ? pair[1] : undefined;
  if (typeof text !== 'string' || text === '') throw bad('each value to be a pair of time and text');
  return /^[+-]Inf$/.test(text) ? Number(`${text}inity`) : Number(text);
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function asMapping(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined;
}

function bad(expected: string): NodetenderError {
  return new NodetenderError(
    'prometheus/bad-response',
    `the answer of Prometheus cannot be read: expected ${expected}`,
  );
}

/** A stranger's text, fit for one line of a message. */
function plain(text: unknown): string {
  // oxlint-disable-next-line no-control-regex -- they are what is to be kept out of logs and terminals
  const line = String(text).replaceAll(/[\u0000-\u001F\u007F-\u009F]+/g, ' ');
  return line.length > MAX_SHOWN_LENGTH ? `${line.slice(0, MAX_SHOWN_LENGTH)}…` : line;
}
