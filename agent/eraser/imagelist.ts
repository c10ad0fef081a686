import { annotationPrefix } from '../cluster/names.ts';
import type { KubernetesObject, Resource } from '../cluster/port.ts';
import { messageOf } from '../errors.ts';
import { parseRule, type Rule } from '../images/rules.ts';
import { decodeRun, type RunRecord } from './run.ts';

/** Eraser's object, as the API server sends it; its schema is charts/nodetender/files/imagelists.eraser.sh.yaml. */
export interface ImageListObject extends KubernetesObject {
  readonly spec?: { readonly images?: unknown };
  readonly status?: unknown;
}

/** Read as v1, in which the API server also gives objects that were written as v1alpha1: the two do not differ. */
export const imageLists: Resource<ImageListObject> = {
  group: 'eraser.sh',
  version: 'v1',
  plural: 'imagelists',
  namespaced: false,
};

/** What is kept of an ImageList. */
export interface ImageListView {
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  readonly resourceVersion: string;
  readonly rules: readonly Rule[];
  /** Entries that are no rule. The others go on without them. */
  readonly refused: readonly RefusedEntry[];
  /** Somebody has already counted nodes in it: Eraser, or we. */
  readonly hasStatus: boolean;
  /** Our own mark; undefined where there is none or it cannot be read. */
  readonly run: RunRecord | undefined;
}

export interface RefusedEntry {
  /** Where in `spec.images`. */
  readonly index: number;
  /** Quotes the entry and says what is wrong with it. */
  readonly problem: string;
}

/** The annotation in which we keep what became of an ImageList, without its prefix. */
export const runAnnotation = 'run';

/** Nobody writes more by hand, and each is compared with every image. */
const maxEntries = 10_000;
/** More refusals say nothing new, and they are kept in memory. */
const maxRefused = 20;

/** Throws an Error that names the field where `spec.images` is no list. */
export function viewOfImageList({ metadata, spec, status }: ImageListObject): ImageListView {
  const images = spec?.images ?? [];
  if (!Array.isArray(images)) throw new Error('spec.images: expected a list of texts');
  const { name, uid, resourceVersion, generation = 0, annotations = {} } = metadata;
  const rules: Rule[] = [];
  const refused: RefusedEntry[] = [];
  for (const [index, entry] of images.slice(0, maxEntries).entries()) {
    try {
      rules.push(parseRule(textOf(entry)));
    } catch (error) {
      if (refused.length < maxRefused) refused.push({ index, problem: messageOf(error) });
    }
  }
  if (images.length > maxEntries) {
    const problem = `there are ${images.length} entries, at most ${maxEntries} are read; make a second ImageList of the rest`;
    refused.push({ index: maxEntries, problem });
  }
  return {
    name,
    uid,
    generation,
    resourceVersion,
    rules,
    refused,
    hasStatus: typeof status === 'object' && status !== null && Object.keys(status).length > 0,
    run: decodeRun(annotations[`${annotationPrefix}${runAnnotation}`]),
  };
}

function textOf(entry: unknown): string {
  if (typeof entry !== 'string') throw new Error(`expected a text, found ${entry === null ? 'null' : typeof entry}`);
  return entry;
}
