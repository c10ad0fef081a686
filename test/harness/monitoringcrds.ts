import type { Json } from './api.ts';

const text = { type: 'string' };
const texts = { type: 'object', additionalProperties: text };
const list = (items: Json): Json => ({ type: 'array', items });
const mapping = (properties: Json, required: readonly string[] = []): Json => ({
  type: 'object',
  properties,
  ...(required.length > 0 && { required }),
});

const endpoint = mapping({
  port: text,
  path: text,
  interval: {
    type: 'string',
    pattern: '^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$',
  },
  relabelings: list(mapping({ sourceLabels: list(text), targetLabel: text })),
});
const monitor = { jobLabel: text, selector: mapping({ matchLabels: texts }) };
const rule = mapping(
  { alert: text, expr: { 'x-kubernetes-int-or-string': true }, for: text, labels: texts, annotations: texts },
  ['expr'],
);

/**
 * The kinds of the Prometheus operator, with the fields that the chart uses and no others, so that one that the operator does not
 * have is refused (https://prometheus-operator.dev/docs/api-reference/api).
 */
export const monitoringCrds: readonly Json[] = [
  crd('PodMonitor', { ...monitor, podMetricsEndpoints: list(endpoint) }, ['selector']),
  crd('ServiceMonitor', { ...monitor, endpoints: list(endpoint) }, ['endpoints', 'selector']),
  crd('PrometheusRule', { groups: list(mapping({ name: text, rules: list(rule) }, ['name'])) }, []),
];

function crd(kind: string, spec: Json, required: readonly string[]): Json {
  const group = 'monitoring.coreos.com';
  const singular = kind.toLowerCase();
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${singular}s.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, listKind: `${kind}List`, plural: `${singular}s`, singular },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: mapping({ spec: mapping(spec, required) }, ['spec']) },
        },
      ],
    },
  };
}
