import { describe, expect, it } from 'vitest';
import {
  decodeContainers,
  decodeFilesystems,
  decodeImages,
  decodeImageStatus,
  decodeConfiguredSandboxImage,
  decodeMountedImages,
  decodeReadiness,
  decodeSandboxes,
  decodeSandboxImage,
  maxEntries,
  refuseDuplicateImages,
} from '../../../agent/runtime/decode.ts';

const hex = 'a'.repeat(64);
const image = { id: `sha256:${hex}`, repoTags: ['docker.io/library/a:1'], repoDigests: [], size: 10, pinned: false };
const container = {
  id: 'c1',
  podSandboxId: 's1',
  metadata: { name: 'web' },
  image: { image: `sha256:${hex}`, userSpecifiedImage: 'a:1', imageRef: '' },
  imageRef: `sha256:${hex}`,
  imageId: '',
  state: 'CONTAINER_RUNNING',
  createdAt: 1_700_000_000_123e6,
  labels: {
    'io.kubernetes.pod.namespace': 'shop',
    'io.kubernetes.pod.name': 'web-1',
    'io.kubernetes.pod.uid': 'u1',
  },
};

describe('a list of images', () => {
  it('is taken as the runtime gives it', () => {
    expect(decodeImages({ images: [image, { ...image, id: 'b'.repeat(64), repoTags: [], pinned: true }] })).toEqual([
      { id: `sha256:${hex}`, tags: ['docker.io/library/a:1'], digests: [], sizeBytes: 10, pinned: false },
      { id: 'b'.repeat(64), tags: [], digests: [], sizeBytes: 10, pinned: true },
    ]);
  });

  it.each([
    ['images[0].id', { id: '' }],
    ['images[0].id', { id: `sha256:${hex.slice(1)}` }],
    ['images[0].id', { id: 'sha256:' }],
    ['images[0].id', { id: hex.toUpperCase() }],
    ['images[0].id', { id: 7 }],
    ['images[0].repo_tags', { repoTags: null }],
    ['images[0].repo_tags[1]', { repoTags: ['a:1', 5] }],
    ['images[0].repo_tags[0]', { repoTags: [''] }],
    ['images[0].repo_tags[0]', { repoTags: ['a:1\u001b[2J'] }],
    ['images[0].repo_digests[0]', { repoDigests: ['a'.repeat(5000)] }],
    ['images[0].size', { size: -1 }],
    ['images[0].size', { size: 2 ** 53 }],
    ['images[0].size', { size: 1.5 }],
    ['images[0].size', { size: Number.NaN }],
    ['images[0].pinned', { pinned: 'yes' }],
  ])('is refused by the field %s when that is wrong: %j', (field, wrong) => {
    expect(() => decodeImages({ images: [{ ...image, ...wrong }] })).toThrow(
      expect.objectContaining({ code: 'runtime/bad-response', message: expect.stringContaining(field) as string }),
    );
  });

  it('is refused when an image is listed twice', () => {
    const twice = decodeImages({ images: [image, { ...image, repoTags: [] }] });
    expect(() => refuseDuplicateImages(twice)).toThrow(/listed twice/);
  });

  it('is refused when it is absurdly long or no list', () => {
    expect(() => decodeImages({ images: Array.from({ length: maxEntries + 1 }, () => image) })).toThrow(/at most/);
    expect(() => decodeImages({ images: 'all' })).toThrow(/expected a list, found "all"/);
    expect(() => decodeImages(undefined)).toThrow(/expected an object/);
  });

  it('is quoted without what a terminal would obey', () => {
    expect(() => decodeImages({ images: [{ ...image, id: '\u001b[2J\u0007' }] })).toThrow(/^[\x20-\x7e…]*$/);
  });
});

describe('the image of a reference', () => {
  it('is undefined where the runtime has none', () => {
    expect(decodeImageStatus({ image: null })).toBeUndefined();
    expect(decodeImageStatus({ image })?.id).toBe(`sha256:${hex}`);
  });
});

describe('a list of containers', () => {
  it('names the image in every way the runtime does, each once', () => {
    const [decoded] = decodeContainers({ containers: [{ ...container, imageId: hex }] });
    expect(decoded).toEqual({
      id: 'c1',
      name: 'web',
      state: 'running',
      sandboxId: 's1',
      createdAtMs: 1_700_000_000_123,
      imageReferences: [hex, `sha256:${hex}`, 'a:1'],
      pod: { namespace: 'shop', name: 'web-1', uid: 'u1' },
    });
  });

  it.each([
    ['CONTAINER_CREATED', 'created'],
    ['CONTAINER_EXITED', 'exited'],
    ['CONTAINER_UNKNOWN', 'unknown'],
    [17, 'unknown'],
  ])('gives the state %s as %s', (state, expected) => {
    expect(decodeContainers({ containers: [{ ...container, state }] })[0]?.state).toBe(expected);
  });

  it('leaves out the pod where nobody labelled the container', () => {
    expect(decodeContainers({ containers: [{ ...container, labels: {} }] })[0]?.pod).toBeUndefined();
  });

  it.each([
    ['containers[0]', { image: null, imageRef: '', imageId: '' }],
    ['containers[0].id', { id: '' }],
    ['containers[0].image_ref', { imageRef: 5 }],
    ['containers[0].created_at', { createdAt: -1 }],
    ['containers[0].labels', { labels: 'none' }],
    ['containers[0].image.user_specified_image', { image: { ...container.image, userSpecifiedImage: 'a\nb' } }],
  ])('is refused at %s when that is wrong: %j', (field, wrong) => {
    expect(() => decodeContainers({ containers: [{ ...container, ...wrong }] })).toThrow(
      expect.objectContaining({ code: 'runtime/bad-response', message: expect.stringContaining(field) as string }),
    );
  });
});

describe('a sandbox', () => {
  const sandbox = {
    id: 's1',
    metadata: { namespace: 'n', name: 'p', uid: 'u' },
    state: 'SANDBOX_READY',
    createdAt: 5e6,
  };

  it('says which pod it is for', () => {
    expect(decodeSandboxes({ items: [sandbox] })).toEqual([
      { id: 's1', state: 'ready', createdAtMs: 5, pod: { namespace: 'n', name: 'p', uid: 'u' } },
    ]);
    expect(() => decodeSandboxes({ items: [{ ...sandbox, metadata: null }] })).toThrow(/items\[0\]\.metadata/);
  });

  it('names its image in the JSON of its extra information', () => {
    expect(decodeSandboxImage({ info: { info: '{"image":"registry.k8s.io/pause:3.9","pid":1}' } })).toBe(
      'registry.k8s.io/pause:3.9',
    );
    expect(decodeSandboxImage({ info: { info: '{}' } })).toBeUndefined();
    expect(decodeSandboxImage({ info: {} })).toBeUndefined();
    expect(() => decodeSandboxImage({ info: { info: '{"image":' } })).toThrow(/expected a JSON object/);
    expect(() => decodeSandboxImage({ info: { info: '{"image":7}' } })).toThrow(/expected a string, found 7/);
  });
});

describe('the configured sandbox image', () => {
  it('is named in the JSON of the runtime configuration; what says nothing of it, or is broken, names none', () => {
    const named = (config: string): string | undefined => decodeConfiguredSandboxImage({ info: { config } });
    expect(named('{"sandboxImage":"mirror.example/base/sandbox:7","registry":{}}')).toBe(
      'mirror.example/base/sandbox:7',
    );
    for (const config of ['{}', '{"sandboxImage":""}', '{"sandboxImage":7}', '[]', 'null', '{"sandboxImage":']) {
      expect(named(config)).toBeUndefined();
    }
    expect(decodeConfiguredSandboxImage({ info: {} })).toBeUndefined();
    expect(decodeConfiguredSandboxImage({})).toBeUndefined();
  });
});

describe('the mounts of a container', () => {
  it('give the images among them, in every way they are named', () => {
    const mounts = [{ image: null }, { image: { image: 'data:1', imageRef: hex, userSpecifiedImage: '' } }];
    expect(decodeMountedImages({ status: { mounts } })).toEqual(['data:1', hex]);
  });

  it('are refused when one has an image without a name', () => {
    const mounts = [{ image: { image: '', imageRef: '', userSpecifiedImage: '' } }];
    expect(() => decodeMountedImages({ status: { mounts } })).toThrow(/mounts\[0\]\.image/);
  });
});

describe('the file systems of images', () => {
  it('have a mount point and bytes in use', () => {
    const entry = { fsId: { mountpoint: '/var/lib/containerd' }, usedBytes: { value: 7 } };
    expect(decodeFilesystems({ imageFilesystems: [entry] })).toEqual([
      { mountpoint: '/var/lib/containerd', usedBytes: 7 },
    ]);
    expect(() => decodeFilesystems({ imageFilesystems: [{ ...entry, fsId: { mountpoint: 'x' } }] })).toThrow(
      /absolute/,
    );
    expect(() => decodeFilesystems({ imageFilesystems: [{ ...entry, usedBytes: null }] })).toThrow(/used_bytes/);
  });
});

describe('the readiness of the runtime', () => {
  it('is its condition RuntimeReady, with its reason', () => {
    const conditions = [
      { type: 'NetworkReady', status: false, reason: 'NoCNI', message: 'no network' },
      { type: 'RuntimeReady', status: false, reason: 'Starting', message: 'not yet' },
    ];
    expect(decodeReadiness({ status: { conditions } })).toEqual({ ready: false, message: 'Starting: not yet' });
    expect(() => decodeReadiness({ status: { conditions: [] } })).toThrow(/RuntimeReady/);
  });
});
