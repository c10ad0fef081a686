import type { JsonSchema } from '../../../agent/config/schema.ts';

/** A key of the configuration: its path, without positions in lists, and what the schema says of it. */
export interface Key {
  readonly path: readonly string[];
  readonly schema: JsonSchema;
}

/** Every key of a schema, sections included, in the order in which they are declared. */
export function keysOf(schema: JsonSchema, path: readonly string[] = []): Key[] {
  const mappings = [schema, schema.items, ...(schema.anyOf ?? [])];
  return mappings
    .flatMap((mapping) => Object.entries(mapping?.properties ?? {}))
    .flatMap(([name, child]) => {
      const key = { path: [...path, name], schema: child };
      return [key, ...keysOf(child, key.path)];
    });
}
