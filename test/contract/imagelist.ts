/** The CRD that Eraser installs, as far as its users and we depend on it. */
export const imageListCrd = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'imagelists.eraser.sh' },
  spec: {
    group: 'eraser.sh',
    names: { kind: 'ImageList', listKind: 'ImageListList', plural: 'imagelists', singular: 'imagelist' },
    scope: 'Cluster',
    versions: [version('v1', true), version('v1alpha1', false)],
  },
};

function version(name: string, storage: boolean): object {
  const count = { type: 'integer', format: 'int64' };
  const schema = {
    type: 'object',
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec: {
        type: 'object',
        required: ['images'],
        properties: { images: { type: 'array', items: { type: 'string' } } },
      },
      status: {
        type: 'object',
        required: ['failed', 'skipped', 'success', 'timestamp'],
        properties: {
          failed: count,
          skipped: count,
          success: count,
          timestamp: { type: 'string', format: 'date-time' },
        },
      },
    },
  };
  return { name, served: true, storage, schema: { openAPIV3Schema: schema }, subresources: { status: {} } };
}
