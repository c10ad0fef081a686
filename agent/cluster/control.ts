import { controlConfigMap, pauseAnnotation } from './names.ts';
import type { KubernetesObject, Scope } from './port.ts';

/** The ConfigMap that the agents of a namespace watch; in all namespaces where none is given. Its data are not asked for. */
export function controlScope(namespace: string | undefined): Scope {
  return { namespace, fieldSelector: `metadata.name=${controlConfigMap}`, metadataOnly: true };
}

/** Why all of them pause; undefined where they do not. */
export function pauseOf({ metadata }: KubernetesObject): string | undefined {
  return metadata.annotations?.[pauseAnnotation];
}
