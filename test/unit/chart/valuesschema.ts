import { type JsonSchema, jsonSchema } from '../../../agent/config/schema.ts';
import type { Value } from './values.ts';

type Schema = Readonly<Record<string, unknown>>;

const texts = { type: 'object', additionalProperties: { type: 'string' } };
const objects = { type: 'array', items: { type: 'object' } };
/** Labels that the chart itself puts on objects; pods are found by the first two. */
const ownLabels = ['name', 'instance', 'version', 'managed-by'].map((name) => `app.kubernetes.io/${name}`);
const labels = { ...texts, propertyNames: { not: { enum: [...ownLabels, 'helm.sh/chart'] } } };
const interval = { type: 'string', pattern: '^([0-9]+(ms|s|m|h))?$', examples: ['30s'] };
/** `false` is no value of it. */
const isTrue = { type: 'boolean', const: true };

/** What a default does not tell of its type. */
const particular: Readonly<Record<string, Schema>> = {
  config: orNothing(ofPods(jsonSchema())),
  'image.repository': { type: 'string', minLength: 1 },
  'image.digest': { type: 'string', pattern: '^(sha256:[0-9a-f]{64})?$' },
  'image.pullPolicy': { type: 'string', enum: ['Always', 'IfNotPresent', 'Never'] },
  imagePullSecrets: {
    type: 'array',
    items: {
      type: 'object',
      properties: { name: { type: 'string' } },
      required: ['name'],
      additionalProperties: false,
    },
  },
  'hostMounts.images': { type: 'string', pattern: '^(/[^/]+/.+)?$' },
  'hostMounts.systemBus': { type: 'string', pattern: '^/.+$' },
  'hostMounts.propagation': { type: 'string', enum: ['HostToContainer', 'None'] },
  'serviceAccount.annotations': texts,
  'rbac.ownersGuarded': { enum: ['auto', true, false] },
  'rbac.privilegedSCC': { enum: ['auto', true, false] },
  resourceQuota: { enum: ['auto', true, false] },
  tolerations: objects,
  nodeSelector: texts,
  terminationGracePeriodSeconds: { type: 'integer', minimum: 0 },
  podLabels: labels,
  podAnnotations: texts,
  commonLabels: labels,
  extraEnv: objects,
  extraVolumes: objects,
  extraVolumeMounts: objects,
  'podMonitor.interval': interval,
  'podMonitor.labels': texts,
  'serviceMonitor.interval': interval,
  'serviceMonitor.labels': texts,
  'prometheusRule.labels': texts,
  'prometheusRule.rebootPendingDays': { type: 'number', exclusiveMinimum: 0 },
  'prometheusRule.slotHeldMinutes': { type: 'number', exclusiveMinimum: 0 },
  'dashboard.labels': texts,
  'dashboard.annotations': texts,
  'networkPolicy.ingressFrom': objects,
  'networkPolicy.egress': objects,
};

/** The schema by which helm refuses values: the agent's own under `config`, the file's own keys and no others beside it. */
export function valuesSchema(values: readonly Value[]): Schema {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of the chart nodetender',
    ...mapping(values),
    properties: {
      ...propertiesOf(values),
      // Where this chart is part of another, helm puts it there, and a dependency's `condition` names it.
      global: { type: 'object' },
      enabled: { type: 'boolean' },
    },
  };
}

function mapping(values: readonly Value[]): Schema {
  const required = values.filter(isNeeded).map(nameOf);
  return {
    type: 'object',
    additionalProperties: false,
    properties: propertiesOf(values),
    ...(required.length > 0 && { required }),
  };
}

/** Of a value that is null helm leaves nothing, and templates could not go on without these. */
function isNeeded({ path, default: fallback, children }: Value): boolean {
  const isText = typeof fallback === 'string' && fallback !== '' && path !== 'priorityClassName';
  return children.length > 0 || isText || typeof fallback === 'number';
}

function propertiesOf(values: readonly Value[]): Schema {
  return Object.fromEntries(values.map((value) => [nameOf(value), schemaOf(value)]));
}

function nameOf({ path }: Value): string {
  return path.split('.').at(-1) ?? path;
}

function schemaOf({ path, meaning, default: fallback, children }: Value): Schema {
  const described = meaning === '' ? {} : { description: meaning };
  if (children.length > 0) return { ...described, ...mapping(children) };
  const { $schema: _, ...schema } = particular[path] ?? typeOf(fallback);
  return { ...schema, ...described, default: fallback };
}

function typeOf(fallback: unknown): Schema {
  if (Array.isArray(fallback)) return { type: 'array' };
  if (typeof fallback === 'number') return { type: 'integer' };
  return { type: typeof fallback };
}

/**
 * Which Node a pod is on, and in which namespace, is not the configuration's to say. Nor that the agent is in no cluster: it would
 * hear of no hold, no pause and no exclusion list.
 */
function ofPods(schema: JsonSchema): JsonSchema {
  const { cluster, ...sections } = schema.properties ?? {};
  const { nodeName: _, namespace: __, enabled, ...others } = cluster?.properties ?? {};
  const properties = { enabled: { ...enabled, anyOf: [{ type: 'string', enum: ['auto'] }, isTrue] }, ...others };
  return { ...schema, properties: { ...sections, cluster: { ...cluster, properties } } };
}

/** A key of the agent's configuration without a value counts as left out. */
function orNothing(schema: JsonSchema): Schema {
  const { anyOf, type, enum: names, ...rest } = keysOrNothing(schema);
  if (anyOf !== undefined) {
    return { ...rest, anyOf: [...anyOf.filter((alternative) => alternative.type !== 'null'), { type: 'null' }] };
  }
  return { ...rest, type: [type ?? [], 'null'].flat(), ...(names && { enum: [...names, null] }) };
}

/** The same for every key in it. */
function keysOrNothing(schema: JsonSchema): JsonSchema {
  const { properties, items, anyOf } = schema;
  return {
    ...schema,
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).map(([key, child]) => [key, orNothing(child)])),
    }),
    ...(items && { items: keysOrNothing(items) }),
    ...(anyOf && { anyOf: anyOf.map(keysOrNothing) }),
  };
}
