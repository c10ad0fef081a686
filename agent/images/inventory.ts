import type { PodIdentity } from '../runtime/port.ts';

/** Who needs an image: the evidence behind "in use". */
export type ImageUser =
  | {
      readonly kind: 'container';
      readonly id: string;
      readonly name: string;
      readonly state: string;
      readonly pod: PodIdentity | undefined;
    }
  | { readonly kind: 'sandbox'; readonly id: string; readonly pod: PodIdentity }
  | {
      readonly kind: 'volume';
      readonly containerId: string;
      readonly containerName: string;
      readonly pod: PodIdentity | undefined;
    }
  | { readonly kind: 'pod'; readonly pod: PodIdentity }
  /** Nothing uses it now, but the runtime is configured to make every pod's sandbox of it: then the only user. */
  | { readonly kind: 'runtime' };

/** Everything known of one image on this node. */
export interface ImageRecord {
  /** The full ID as the runtime lists it; the key of the record. */
  readonly id: string;
  readonly tags: readonly string[];
  readonly digests: readonly string[];
  readonly sizeBytes: number;
  readonly pinned: boolean;
  /** Empty when nothing uses the image. */
  readonly users: readonly ImageUser[];
  /** When the image was first seen on this node. */
  readonly firstSeenMs: number;
  /** When it was last seen in use; undefined when never. */
  readonly lastUsedMs: number | undefined;
  /** True when it was there at the very first look at this node. */
  readonly preloaded: boolean;
  /** Since when it has been seen with neither tag nor digest, at every look; undefined when it has a name. */
  readonly namelessSinceMs: number | undefined;
  /** Failed removals in a row, and when the next may be tried. */
  readonly failure: { readonly count: number; readonly retryAtMs: number; readonly message: string } | undefined;
}

/** What is on the node at one moment. */
export interface Inventory {
  /** The moment from which ages are counted: by a clock read later, that may have jumped, every image would look older. */
  readonly takenAtMs: number;
  readonly images: readonly ImageRecord[];
  /**
   * References in use that could not be resolved to an image nor shown to be absent. While there is one, nothing may be
   * removed: not knowing means keeping.
   */
  readonly unresolved: readonly UnresolvedUse[];
  /** For how long no container or sandbox has come or gone, as far as looks have shown; 0 at a first look. */
  readonly podsUnchangedMs: number;
}

export interface UnresolvedUse {
  readonly reference: string;
  readonly user: ImageUser;
  readonly why: string;
}

/** A record that a half-done removal leaves behind: it has an ID and nothing else. */
export function isNameless(image: Pick<ImageRecord, 'tags' | 'digests'>): boolean {
  return image.tags.length === 0 && image.digests.length === 0;
}

/** What a person calls the image: its first tag, else its first digest, else its ID. */
export function nameOf(image: Pick<ImageRecord, 'id' | 'tags' | 'digests'>): string {
  return image.tags[0] ?? image.digests[0] ?? image.id;
}
