import { randomUUID } from 'node:crypto';

import type { Clock } from '../../../agent/clock.ts';
import type { CustomResources } from './crds.ts';
import { graceOf, withDefaults } from './defaults.ts';
import { fromStoredForm, toStoredForm, validateEvent } from './events.ts';
import { equal, type Json, type JsonObject, listAt, numberAt, objectAt, type StoredObject, textAt } from './objects.ts';
import { objectOf, patched } from './patch.ts';
import type { Resource } from './resources.ts';
import {
  alreadyExists,
  badRequest,
  conflict,
  invalid,
  namespaceTerminating,
  notFound,
  type Subject,
} from './status.ts';
import type { ObjectStore } from './store.ts';
import { isReleased, updatedObject, withGeneration, writable } from './update.ts';
import { checkReadable, checkValid, fitted } from './validation.ts';

/** Where a write goes. */
export interface Target {
  readonly resource: Resource;
  /** '' for resources that live in none. */
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
}

/** The rules by which a write becomes a stored object: versions, generations, what may change through which path. */
export class Writes {
  readonly #store: ObjectStore;
  readonly #clock: Clock;
  readonly #crds: CustomResources;

  constructor(store: ObjectStore, crds: CustomResources, clock: Clock) {
    this.#store = store;
    this.#crds = crds;
    this.#clock = clock;
  }

  /** Throws 404 where it does not exist. */
  get({ resource, namespace, name }: Target): StoredObject {
    const object = this.#store.get(resource, namespace, name);
    if (object === undefined) throw notFound({ ...resource, name });
    return object;
  }

  create(resource: Resource, namespace: string, sent: Json, dryRun = false): StoredObject {
    const body = objectOf(sent);
    checkReadable(resource, body);
    const metadata = objectAt(body, 'metadata');
    if (textAt(metadata, 'namespace') !== '' && textAt(metadata, 'namespace') !== namespace) {
      throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
    }
    const name = textAt(metadata, 'name') || generatedName(textAt(metadata, 'generateName'));
    const subject: Subject = { ...resource, name };
    if (name === '') throw invalid(subject, { 'metadata.name': 'Required value: name or generateName is required' });
    if (textAt(metadata, 'resourceVersion') !== '') {
      throw badRequest('resourceVersion should not be set on objects to be created');
    }
    this.refuseTerminating(subject, namespace);
    if (this.#store.get(resource, namespace, name) !== undefined) throw alreadyExists(subject);
    const object: StoredObject = {
      ...toStoredForm(resource, withDefaults(resource, body)),
      metadata: {
        ...writable(metadata),
        name,
        ...(namespace === '' ? {} : { namespace }),
        uid: randomUUID(),
        resourceVersion: '',
        creationTimestamp: timeText(this.#clock.nowMs()),
        ...(resource.hasGeneration ? { generation: 1 } : {}),
      },
    };
    const checked = this.#checked(resource, object, undefined);
    return dryRun ? checked : this.#store.put(resource, checked);
  }

  /** Throws where something new is to come into a namespace that is not there, or on its way out. */
  refuseTerminating(subject: Subject, namespace: string): void {
    if (namespace === '') return;
    const found = this.#store.get({ storedAs: 'namespaces' }, '', namespace);
    if (found === undefined) throw notFound({ group: '', plural: 'namespaces', kind: 'Namespace', name: namespace });
    if (textAt(found, 'metadata.deletionTimestamp') !== '') throw namespaceTerminating(subject, namespace);
  }

  /** PUT. `sent` is the whole object, in the form of `target.resource`. */
  replace(target: Target, sent: Json, dryRun = false): StoredObject {
    const { resource, namespace, name, subresource } = target;
    const body = objectOf(sent);
    checkReadable(resource, body);
    const metadata = objectAt(body, 'metadata');
    if (textAt(metadata, 'name') !== name) {
      throw badRequest(
        `the name of the object (${textAt(metadata, 'name')}) does not match the name on the URL (${name})`,
      );
    }
    const current = this.#store.get(resource, namespace, name);
    const version = textAt(metadata, 'resourceVersion');
    if (current === undefined) {
      if (resource.createsOnUpdate && version === '' && subresource === '') {
        return this.create(resource, namespace, body, dryRun);
      }
      throw notFound({ ...resource, name });
    }
    if (version === '' && !resource.overwritesBlindly) {
      throw invalid(
        { ...resource, name },
        { 'metadata.resourceVersion': 'Invalid value: 0: must be specified for an update' },
      );
    }
    return this.#write(target, current, toStoredForm(resource, body), dryRun);
  }

  /** PATCH, by the content type. */
  patch(target: Target, contentType: string, patch: Json, dryRun = false): StoredObject {
    const { resource } = target;
    const current = this.get(target);
    const shown = fromStoredForm(resource, current);
    const body = objectOf(patched(resource, shown, contentType, patch));
    // A patch that brings a version brings a precondition; one that does not applies to whatever is there.
    checkReadable(resource, body);
    return this.#write(target, current, toStoredForm(resource, body), dryRun);
  }

  /** The object as it was; `gone` tells whether it is no longer there, or waits for its pod's end or its finalizers. */
  delete(
    target: Target,
    options: JsonObject,
    dryRun = false,
  ): { readonly object: StoredObject; readonly gone: boolean } {
    const current = this.get(target);
    const { resource, name } = target;
    for (const field of ['uid', 'resourceVersion'] as const) {
      const wanted = textAt(options, `preconditions.${field}`);
      if (wanted !== '' && wanted !== current.metadata[field]) {
        const label = field === 'uid' ? 'UID' : 'ResourceVersion';
        throw conflict(
          { ...resource, name },
          `the ${label} in the precondition (${wanted}) does not match the ${label} in record (${current.metadata[field]}). The object might have been ${field === 'uid' ? 'deleted and then recreated' : 'modified'}`,
        );
      }
    }
    if (dryRun) return { object: current, gone: false };
    const graceSeconds = resource.plural === 'pods' && resource.group === '' ? graceOf(current, options) : 0;
    // A namespace stays until its controller, which is not here, has emptied it.
    const isNamespace = resource.plural === 'namespaces' && resource.group === '';
    const held = isNamespace || listAt(current, 'metadata.finalizers').length > 0;
    if (graceSeconds === 0 && !held) {
      this.#store.delete(resource, current);
      this.#crds.deleted(resource, current);
      return { object: current, gone: true };
    }
    if (
      textAt(current, 'metadata.deletionTimestamp') !== '' &&
      numberAt(current, 'metadata.deletionGracePeriodSeconds') <= graceSeconds
    ) {
      return { object: current, gone: false };
    }
    const object = this.#store.put(resource, {
      ...current,
      ...(isNamespace ? { status: { phase: 'Terminating' } } : {}),
      metadata: {
        ...current.metadata,
        deletionTimestamp: timeText(this.#clock.nowMs() + graceSeconds * 1000),
        deletionGracePeriodSeconds: graceSeconds,
        ...(resource.hasGeneration ? { generation: numberAt(current, 'metadata.generation') + 1 } : {}),
      },
    });
    return { object, gone: false };
  }

  #write(target: Target, current: StoredObject, body: JsonObject, dryRun: boolean): StoredObject {
    const { resource, name, subresource } = target;
    const metadata = objectAt(body, 'metadata');
    const version = textAt(metadata, 'resourceVersion');
    if (version !== '' && version !== current.metadata.resourceVersion) throw conflict({ ...resource, name });
    const uid = textAt(metadata, 'uid');
    if (uid !== '' && uid !== current.metadata.uid) {
      throw conflict(
        { ...resource, name },
        `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${current.metadata.uid}`,
      );
    }
    const updated = this.#checked(resource, updatedObject(resource, subresource, current, body), current);
    if (equal(updated, current)) return current;
    const next = withGeneration(resource, updated, current);
    if (dryRun) return next;
    if (isReleased(next, current)) return this.#store.delete(resource, next);
    return this.#store.put(resource, next);
  }

  #checked(resource: Resource, object: StoredObject, previous: StoredObject | undefined): StoredObject {
    const schema = this.#crds.schemaOf(resource);
    const known = schema === undefined ? object : fitted(resource, schema, object);
    checkValid(resource, known);
    validateEvent(resource, known, previous);
    return this.#crds.accepted(resource, known);
  }
}

function generatedName(prefix: string): string {
  return prefix === '' ? '' : `${prefix}${randomUUID().slice(0, 5)}`;
}

/** RFC 3339 with seconds, as metadata has it. */
function timeText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
