import { isObject, type JsonObject, numberAt, type StoredObject, textAt, without } from './objects.ts';
import type { Resource } from './resources.ts';
import { invalid } from './status.ts';

/**
 * One Event is shown by two APIs: v1, which kubectl reads, and events.k8s.io/v1, which says the same in other words. It is
 * stored as v1 has it. The pairs are [events.k8s.io, v1].
 */
const renamed = [
  ['note', 'message'],
  ['regarding', 'involvedObject'],
  ['reportingController', 'reportingComponent'],
  ['deprecatedSource', 'source'],
  ['deprecatedCount', 'count'],
  ['deprecatedFirstTimestamp', 'firstTimestamp'],
  ['deprecatedLastTimestamp', 'lastTimestamp'],
] as const;

function isNewForm({ group, storedAs }: Resource): boolean {
  return storedAs === 'events' && group !== '';
}

export function toStoredForm(resource: Resource, object: JsonObject): JsonObject {
  if (!isNewForm(resource)) return object;
  let stored = object;
  for (const [field, storedField] of renamed) stored = rename(stored, field, storedField);
  return stored;
}

export function fromStoredForm(resource: Resource, object: StoredObject): JsonObject {
  if (!isNewForm(resource)) return object;
  let shown: JsonObject = object;
  for (const [field, storedField] of renamed) shown = rename(shown, storedField, field);
  return shown;
}

function rename(object: JsonObject, from: string, to: string): JsonObject {
  const value = object[from];
  return value === undefined ? object : { ...without(object, from), [to]: value };
}

/** What events.k8s.io/v1 asks of an Event; v1 asks much less, and is left alone. `event` is in the stored form. */
export function validateEvent(resource: Resource, event: StoredObject, previous: StoredObject | undefined): void {
  if (!isNewForm(resource)) return;
  const causes: Record<string, string> = {};
  // Events about objects that live in no namespace are in these two.
  const isClusterWide = textAt(event, 'involvedObject.namespace') === '';
  if (isClusterWide && !['default', 'kube-system'].includes(textAt(event, 'metadata.namespace'))) {
    causes['involvedObject.namespace'] = 'Invalid value: "": does not match event.namespace';
  }
  for (const field of ['reportingComponent', 'reportingInstance', 'action', 'reason'] as const) {
    const shown = field === 'reportingComponent' ? 'reportingController' : field;
    if (textAt(event, field) === '') causes[shown] = 'Required value';
    else if (field !== 'reportingComponent' && Buffer.byteLength(textAt(event, field)) > 128) {
      causes[shown] = 'Invalid value: "": can have at most 128 characters';
    }
  }
  if (Buffer.byteLength(textAt(event, 'message')) > 1024) {
    causes['message'] = 'Invalid value: "": can have at most 1024 characters';
  }
  if (isObject(event['series']) && numberAt(event, 'series.count') < 2) {
    causes['series.count'] = 'Invalid value: "": should be at least 2';
  }
  if (previous === undefined) {
    if (textAt(event, 'eventTime') === '') causes['eventTime'] = 'Required value';
    if (!['Normal', 'Warning'].includes(textAt(event, 'type'))) {
      causes['type'] = `Invalid value: "": has invalid value: ${textAt(event, 'type')}`;
    }
  } else {
    // Only series may change: a second message is a second Event.
    for (const field of ['reason', 'message', 'type', 'action', 'reportingComponent', 'reportingInstance'] as const) {
      if (textAt(event, field) !== textAt(previous, field)) causes[field] = 'Invalid value: field is immutable';
    }
  }
  if (Object.keys(causes).length > 0) throw invalid({ ...resource, name: event.metadata.name }, causes);
}
