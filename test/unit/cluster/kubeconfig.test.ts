import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { fromKubeconfig } from '../../../agent/cluster/kubeconfig.ts';
import { kubeconfigText } from '../../harness/kubeconfig.ts';
import { QuickClock } from './quickclock.ts';

let folder: string;
let clock: QuickClock;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nodetender-'));
  clock = new QuickClock();
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

function config(user: object, cluster: object = {}, name = 'test'): string {
  return JSON.stringify({
    clusters: [{ name, cluster: { server: 'https://127.0.0.1:6443', ...cluster } }],
    users: [{ name, user }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  });
}

describe('the access that a kubeconfig gives', () => {
  it('is a server, a namespace, certificates and a token', async () => {
    const path = await file(
      'config',
      kubeconfigText({
        server: 'https://127.0.0.1:6443',
        certificateAuthority: 'CA',
        user: { certificate: 'CERT', key: 'KEY' },
        namespace: 'shop',
      }),
    );
    const access = await fromKubeconfig({ path }, clock);
    expect(access.server.href).toBe('https://127.0.0.1:6443/');
    expect(access.namespace).toBe('shop');
    expect(await access.present()).toMatchObject({ tls: { ca: 'CA', cert: 'CERT', key: 'KEY' }, headers: {} });
    const other = await file('other', config({ token: 'secret\n' }));
    const { headers } = await (await fromKubeconfig({ path: other }, clock)).present();
    expect(headers).toEqual({ authorization: 'Bearer secret' });
  });

  it('may be a name and a password, and somebody else to speak for', async () => {
    const path = await file('config', config({ username: 'ann', password: 'pw', as: 'bob' }));
    const { headers } = await (await fromKubeconfig({ path }, clock)).present();
    expect(headers).toEqual({
      authorization: `Basic ${Buffer.from('ann:pw').toString('base64')}`,
      'impersonate-user': 'bob',
    });
  });

  it('comes from a plugin, which runs again when its token was refused', async () => {
    const plugin = await file(
      'plugin.sh',
      `echo run >> ${folder}/runs; echo '{"status": {"token": "token-'$(wc -l < ${folder}/runs)'"}}'`,
    );
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: 'sh', args: [plugin] };
    const access = await fromKubeconfig({ path: await file('config', config({ exec })) }, clock);
    expect((await access.present()).headers).toEqual({ authorization: 'Bearer token-1' });
    clock.pass(120_000);
    expect((await access.present()).headers).toEqual({ authorization: 'Bearer token-1' });
    access.forget();
    expect((await access.present()).headers).toEqual({ authorization: 'Bearer token-2' });
  });

  it('is read again after a refusal, as the file is then', async () => {
    const path = await file('config', config({ token: 'old' }));
    const access = await fromKubeconfig({ path }, clock);
    await access.present();
    await file('config', config({ token: 'new' }));
    access.forget();
    expect((await access.present()).headers).toEqual({ authorization: 'Bearer new' });
  });

  it('follows a token file', async () => {
    const tokenFile = await file('token', 'first\n');
    const access = await fromKubeconfig({ path: await file('config', config({ tokenFile })) }, clock);
    expect((await access.present()).headers).toEqual({ authorization: 'Bearer first' });
    await file('token', 'second\n');
    clock.pass(60_000);
    expect((await access.present()).headers).toEqual({ authorization: 'Bearer second' });
  });

  it('is that of the context named, or of the current one of the first file in KUBECONFIG', async () => {
    const one = await file('one', config({ token: 'one' }, {}, 'one'));
    const two = await file('two', config({ token: 'two' }, {}, 'two'));
    vi.stubEnv('KUBECONFIG', `${folder}/missing:${one}:${two}`);
    expect((await (await fromKubeconfig({}, clock)).present()).headers).toEqual({ authorization: 'Bearer one' });
    const named = await fromKubeconfig({ context: 'two' }, clock);
    expect((await named.present()).headers).toEqual({ authorization: 'Bearer two' });
  });

  it.each([
    ['of an unknown context', config({}), { context: 'elsewhere' }, 'no context "elsewhere". Expected one of test'],
    ['through a proxy', config({}, { 'proxy-url': 'http://127.0.0.1:3128' }), {}, 'proxy-url'],
    ['to no server', config({}, { server: 'nonsense' }), {}, 'names no cluster with a server'],
    ['that is no YAML', '{', {}, 'config'],
    ['that is empty', '', {}, 'config'],
    ['with a plugin that does not exist', config({ exec: { command: '/no/such/plugin' } }), {}, '/no/such/plugin'],
    [
      'with a plugin that fails',
      config({ exec: { command: 'sh', args: ['-c', 'echo locked >&2; exit 1'] } }),
      {},
      'locked',
    ],
  ])('%s is refused by name', async (_, text, choice, words) => {
    const path = await file('config', text);
    const presenting = async (): Promise<unknown> => await (await fromKubeconfig({ path, ...choice }, clock)).present();
    await expect(presenting()).rejects.toMatchObject({
      code: 'cluster/no-access',
      message: expect.stringContaining(words) as string,
    });
  });

  it('says where it looked when there is none', async () => {
    vi.stubEnv('KUBECONFIG', `${folder}/missing`);
    await expect(fromKubeconfig({}, clock)).rejects.toMatchObject({
      code: 'cluster/no-access',
      message: expect.stringContaining(`${folder}/missing`) as string,
    });
  });
});
