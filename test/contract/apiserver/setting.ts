import { expect } from 'vitest';

import type { Api, ApiAnswer, Json } from '../../harness/api.ts';
import { eventually } from '../../harness/eventually.ts';
import { imageListCrd } from '../../harness/imagelistcrd.ts';

/** An API server as HTTP shows it: the real one says what is true, the emulated one must say the same. */
export interface ApiServerUnderTest {
  /** An administrator's requests. */
  readonly api: Api;
  /** Requests with a token that nobody issued. */
  readonly stranger: Api;
  /** Of a user to whom nothing is granted. */
  readonly nobody: Api;
  /** Makes every resourceVersion and continue token given out so far too old. */
  forgetHistory(): Promise<void>;
  dispose(): Promise<void>;
}

export const configMaps = '/api/v1/namespaces/default/configmaps';
export const pods = '/api/v1/namespaces/default/pods';
export const nodes = '/api/v1/nodes';
export const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
export const budgets = '/apis/policy/v1/namespaces/default/poddisruptionbudgets';
export const imageLists = '/apis/eraser.sh/v1/imagelists';
export const newEvents = '/apis/events.k8s.io/v1/namespaces/default/events';
export const oldEvents = '/api/v1/namespaces/default/events';

export const merge = { contentType: 'application/merge-patch+json' };
export const strategic = { contentType: 'application/strategic-merge-patch+json' };
export const jsonPatch = { contentType: 'application/json-patch+json' };
export const metadataOnly = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';

/** The server of a suite, and objects to try things on. */
export class ApiServerSetting {
  #server: ApiServerUnderTest | undefined;
  #counter = 0;

  /** Begins, with the CRD of ImageLists. */
  async open(server: ApiServerUnderTest): Promise<void> {
    this.#server = server;
    await this.api.create('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', imageListCrd);
    await eventually('the ImageLists are served', async () => (await this.api.send('GET', imageLists)).status === 200);
  }

  get server(): ApiServerUnderTest {
    if (this.#server === undefined) throw new Error('the server was not started');
    return this.#server;
  }

  /** An administrator's requests. */
  get api(): Api {
    return this.server.api;
  }

  readonly unique = (prefix: string): string => {
    this.#counter += 1;
    return `${prefix}-${this.#counter}`;
  };

  readonly configMap = async (metadata: Json = {}): Promise<Json> =>
    await this.api.create(configMaps, { metadata: { name: this.unique('cm'), ...metadata }, data: { a: '1' } });

  readonly node = async (metadata: Json = {}): Promise<Json> =>
    await this.api.create(nodes, { metadata: { name: this.unique('node'), ...metadata } });

  /** Gives its name. */
  readonly pod = async (
    labels: Json = {},
    status: Json = { phase: 'Running' },
    nodeName = 'some-node',
  ): Promise<string> => {
    const name = this.unique('pod');
    const spec = { nodeName, containers: [{ name: 'app', image: 'registry.example/app:1' }] };
    await this.api.create(pods, { metadata: { name, labels }, spec });
    await this.api.merge(`${pods}/${name}/status`, { status });
    return name;
  };
}

/** What a refusal says. */
export function status({ status: code, body }: ApiAnswer): Json {
  expect(body).toMatchObject({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code });
  const { reason, message, details } = body;
  return { code, reason, message, ...(details === undefined ? {} : { details }) };
}

export function metadataOf(object: Json): Json {
  return object['metadata'] as Json;
}

export async function names(api: Api, path: string): Promise<unknown[]> {
  const { items } = await api.get(path);
  return (items as Json[]).map((item) => metadataOf(item)['name']);
}

export async function take<T>(frames: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = [];
  for await (const frame of frames) {
    taken.push(frame);
    if (taken.length >= count) break;
  }
  return taken;
}
