import { describe, expect, it } from 'vitest';

import { type ApiServerSetting, configMaps, pods, nodes, leases, status, metadataOf } from './setting.ts';

/** How requests are refused. */
export function describeRefusals(the: ApiServerSetting): void {
  const { configMap } = the;

  describe('refusals', () => {
    it('names what was not found', async () => {
      expect(status(await the.api.send('GET', `${nodes}/nobody`))).toEqual({
        code: 404,
        reason: 'NotFound',
        message: 'nodes "nobody" not found',
        details: { name: 'nobody', kind: 'nodes' },
      });
      expect(status(await the.api.send('GET', `${leases}/nobody`))).toMatchObject({
        message: 'leases.coordination.k8s.io "nobody" not found',
        details: { name: 'nobody', group: 'coordination.k8s.io', kind: 'leases' },
      });
      expect(
        status(await the.api.send('POST', '/api/v1/namespaces/nowhere/configmaps', { metadata: { name: 'a' } })),
      ).toMatchObject({
        code: 404,
        message: 'namespaces "nowhere" not found',
      });
    });

    it('knows no path that leads nowhere', async () => {
      expect((await the.api.send('GET', '/apis/eraser.sh/v1/nothings')).status).toBe(404);
      expect((await the.api.send('GET', '/api/v1/nothings')).status).toBe(404);
    });

    it('refuses who is not known, and who may not', async () => {
      expect(status(await the.server.stranger.send('GET', nodes))).toEqual({
        code: 401,
        reason: 'Unauthorized',
        message: 'Unauthorized',
      });
      expect(status(await the.server.nobody.send('GET', `${nodes}/a`))).toMatchObject({
        code: 403,
        reason: 'Forbidden',
        message:
          'nodes "a" is forbidden: User "nobody" cannot get resource "nodes" in API group "" at the cluster scope',
      });
      expect(status(await the.server.nobody.send('GET', leases))).toMatchObject({
        message:
          'leases.coordination.k8s.io is forbidden: User "nobody" cannot list resource "leases" in API group "coordination.k8s.io" in the namespace "default"',
      });
      expect(status(await the.server.nobody.send('POST', `${pods}/a/eviction`, {}))).toMatchObject({
        message:
          'pods "a" is forbidden: User "nobody" cannot create resource "pods/eviction" in API group "" in the namespace "default"',
      });
    });

    it('says that there is one already', async () => {
      const { name } = metadataOf(await configMap());
      expect(status(await the.api.send('POST', configMaps, { metadata: { name } }))).toEqual({
        code: 409,
        reason: 'AlreadyExists',
        message: `configmaps "${String(name)}" already exists`,
        details: { name, kind: 'configmaps' },
      });
    });

    it.each([
      ['no name', {}],
      ['a name that is none', { name: 'Not A Name' }],
      ['a label that is none', { name: 'a', labels: { team: 'not a label' } }],
      ['annotations beyond 256 KiB', { name: 'a', annotations: { big: 'x'.repeat(262_144) } }],
      ['an annotation whose key is none', { name: 'a', annotations: { 'not a key': '' } }],
      ['an annotation that would be a prototype', { name: 'a', annotations: JSON.parse('{"__proto__":""}') }],
    ])('refuses %s as invalid', async (_what, metadata) => {
      expect(status(await the.api.send('POST', configMaps, { metadata }))).toMatchObject({
        code: 422,
        reason: 'Invalid',
      });
    });

    it.each([
      ['no JSON', '{'],
      ['a list', '[]'],
      ['an annotation that is a number', { metadata: { name: 'a', annotations: { a: 1 } } }],
      ['another kind', { kind: 'Secret', apiVersion: 'v1', metadata: { name: 'a' } }],
      ['another version', { kind: 'ConfigMap', apiVersion: 'v2', metadata: { name: 'a' } }],
      ['another namespace', { metadata: { name: 'a', namespace: 'kube-system' } }],
    ])('cannot read %s', async (_what, body) => {
      expect(status(await the.api.send('POST', configMaps, body))).toMatchObject({ code: 400, reason: 'BadRequest' });
    });

    it('refuses a body beyond 3 MiB', async () => {
      const body = { metadata: { name: 'big' }, data: { a: 'x'.repeat(3 * 1024 * 1024) } };
      expect(status(await the.api.send('POST', configMaps, body))).toMatchObject({
        code: 413,
        reason: 'RequestEntityTooLarge',
      });
    });
  });
}
