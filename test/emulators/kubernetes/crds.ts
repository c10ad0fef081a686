import { at, isObject, type Json, type JsonObject, listAt, objectAt, type StoredObject, textAt } from './objects.ts';
import { type Resource, resource } from './resources.ts';
import type { ObjectStore } from './store.ts';

/** The resources that CRDs define: they come and go with the objects that define them. */
export class CustomResources {
  readonly #store: ObjectStore;
  readonly #resources = new Map<string, { readonly resource: Resource; readonly schema: JsonObject }[]>();

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  get resources(): readonly Resource[] {
    return [...this.#resources.values()].flat().map((entry) => entry.resource);
  }

  /** The schema of a custom resource's version; undefined for a built-in one. */
  schemaOf(wanted: Resource): JsonObject | undefined {
    if (!wanted.custom) return undefined;
    return [...this.#resources.values()].flat().find((entry) => entry.resource === wanted)?.schema;
  }

  /** Called before anything is stored: a CRD begins to be served, and says so in its status. */
  accepted(written: Resource, object: StoredObject): StoredObject {
    if (written.kind !== 'CustomResourceDefinition') return object;
    this.#resources.set(object.metadata.name, versionsOf(object));
    const condition = (type: string): Json => ({ type, status: 'True', reason: type, message: '' });
    return {
      ...object,
      status: {
        acceptedNames: objectAt(object, 'spec.names'),
        conditions: [condition('NamesAccepted'), condition('Established')],
        storedVersions: ['v1'],
      },
    };
  }

  /** Called after anything is deleted: the objects of a CRD go with it. */
  deleted(written: Resource, object: StoredObject): void {
    if (written.kind !== 'CustomResourceDefinition') return;
    const [first] = this.#resources.get(object.metadata.name) ?? [];
    this.#resources.delete(object.metadata.name);
    if (first === undefined) return;
    for (const orphan of this.#store.list(first.resource)) this.#store.delete(first.resource, orphan);
  }
}

function versionsOf(crd: StoredObject): { resource: Resource; schema: JsonObject }[] {
  return listAt(crd, 'spec.versions')
    .filter((version) => at(version, 'served') === true)
    .map((version) => ({
      schema: objectAt(version, 'schema.openAPIV3Schema'),
      resource: resource({
        group: textAt(crd, 'spec.group'),
        version: textAt(version, 'name'),
        plural: textAt(crd, 'spec.names.plural'),
        singular: textAt(crd, 'spec.names.singular'),
        kind: textAt(crd, 'spec.names.kind'),
        shortNames: listAt(crd, 'spec.names.shortNames').filter((name) => typeof name === 'string'),
        namespaced: textAt(crd, 'spec.scope') === 'Namespaced',
        hasStatus: isObject(at(version, 'subresources.status')),
        hasGeneration: true,
        overwritesBlindly: false,
        custom: true,
      }),
    }));
}
