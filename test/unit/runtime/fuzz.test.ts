import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isNodetenderError } from '../../../agent/errors.ts';
import { connectRuntime } from '../../../agent/runtime/cri.ts';
import * as decode from '../../../agent/runtime/decode.ts';
import { type CriMethodDefinition, loadCriProtocol } from '../../../agent/runtime/proto.ts';
import { RuntimeServer } from '../../emulators/runtime/server.ts';
import { RuntimeStore } from '../../emulators/runtime/store.ts';

/** The outcome of a decoder: what it made, or its refusal; anything else thrown fails the test. */
function outcome(decoder: (value: unknown) => unknown, value: unknown): string {
  try {
    decoder(value);
    return 'decoded';
  } catch (error) {
    if (isNodetenderError(error, 'runtime/bad-response')) return 'refused';
    throw error;
  }
}

const decoders = {
  images: decode.decodeImages,
  imageStatus: decode.decodeImageStatus,
  containers: decode.decodeContainers,
  sandboxes: decode.decodeSandboxes,
  sandboxImage: decode.decodeSandboxImage,
  configuredSandboxImage: decode.decodeConfiguredSandboxImage,
  mountedImages: decode.decodeMountedImages,
  filesystems: decode.decodeFilesystems,
  version: decode.decodeVersion,
  readiness: decode.decodeReadiness,
} satisfies Record<string, (value: unknown) => unknown>;

const image = {
  id: `sha256:${'a'.repeat(64)}`,
  repoTags: ['registry.example/app:1'],
  repoDigests: [`registry.example/app@sha256:${'b'.repeat(64)}`],
  size: 1000,
  pinned: false,
};

describe('answers made of anything', () => {
  it.each(Object.entries(decoders))('are decoded or refused: %s', (_, decoder) => {
    const field = fc.constantFrom(
      'images',
      'image',
      'containers',
      'items',
      'info',
      'status',
      'mounts',
      'conditions',
      'id',
    );
    const anything = fc.oneof(fc.anything({ withBigInt: true }), fc.dictionary(field, fc.anything()));
    fc.assert(
      fc.property(anything, (value) => {
        expect(outcome(decoder, value)).toBeOneOf(['decoded', 'refused']);
      }),
    );
  });

  it('are refused whenever a field of an image has another type', () => {
    const field = fc.constantFrom(...(Object.keys(image) as (keyof typeof image)[]));
    fc.assert(
      fc.property(field, fc.anything(), (name, value) => {
        if (typeof value === typeof image[name]) return;
        expect(outcome(decode.decodeImages, { images: [image, { ...image, [name]: value }] })).toBe('refused');
      }),
      { numRuns: 500 },
    );
  });

  it('never yield an image whose ID is not whole, whose size is no count, or whose name holds control characters', () => {
    const nearlyHex = fc.string({ unit: fc.constantFrom('0', '7', 'a', 'f'), minLength: 62, maxLength: 66 });
    const wild = fc.record({
      id: fc.oneof(
        fc.constant(image.id),
        fc.string(),
        nearlyHex.map((hex) => `sha256:${hex}`),
        nearlyHex,
      ),
      repoTags: fc.array(fc.oneof(fc.string(), fc.string({ unit: 'binary' }))),
      repoDigests: fc.constant([]),
      size: fc.oneof(fc.integer(), fc.double()),
      pinned: fc.boolean(),
    });
    fc.assert(
      fc.property(wild, (value) => {
        if (outcome(decode.decodeImages, { images: [value] }) === 'refused') return;
        expect(value.id).toMatch(/^(sha256:)?[0-9a-f]{64}$/);
        expect(Number.isSafeInteger(value.size) && value.size >= 0).toBe(true);
        for (const tag of value.repoTags) expect(tag).toMatch(/^[\x20-\x7e]+$/);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('bytes', () => {
  const { runtimeService, imageService } = loadCriProtocol();
  const answers: [string, CriMethodDefinition | undefined, (value: unknown) => unknown][] = [
    ['ListImages', imageService.ListImages, decode.decodeImages],
    ['ImageStatus', imageService.ImageStatus, decode.decodeImageStatus],
    ['ImageFsInfo', imageService.ImageFsInfo, decode.decodeFilesystems],
    ['ListContainers', runtimeService.ListContainers, decode.decodeContainers],
    ['ListPodSandbox', runtimeService.ListPodSandbox, decode.decodeSandboxes],
    ['Status', runtimeService.Status, decode.decodeConfiguredSandboxImage],
    ['PodSandboxStatus', runtimeService.PodSandboxStatus, decode.decodeSandboxImage],
    ['ContainerStatus', runtimeService.ContainerStatus, decode.decodeMountedImages],
  ];
  const good = imageService.ListImages?.responseSerialize({ images: [image, { ...image, id: 'c'.repeat(64) }] });
  const change = fc.tuple(fc.nat(), fc.nat({ max: 255 }));
  const changed = fc.array(change, { minLength: 1, maxLength: 5 }).map((changes) => {
    const bytes = Buffer.from(good ?? []);
    for (const [at, value] of changes) bytes[at % bytes.length] = value;
    return bytes;
  });

  /** What cannot be parsed at all; over the socket grpc-js turns that into a status, shown below. */
  function parsed(definition: CriMethodDefinition | undefined, bytes: Uint8Array): object | undefined {
    try {
      return definition?.responseDeserialize(Buffer.from(bytes));
    } catch {
      return undefined;
    }
  }

  it.each(answers)('of any kind in the answer of %s are decoded or refused', (_, definition, decoder) => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), changed), (bytes) => {
        expect(outcome(decoder, parsed(definition, bytes))).toBeOneOf(['decoded', 'refused']);
      }),
      { numRuns: 1000 },
    );
  });

  it('of any kind on the socket are decoded or refused', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'nodetender-fuzz-'));
    const server = new RuntimeServer({ store: new RuntimeStore(), socketPath: join(directory, 'runtime.sock') });
    const runtime = connectRuntime({ endpoint: server.endpoint });
    try {
      let answer = new Uint8Array();
      server.faults.add({ corrupt: () => answer as unknown as Record<string, unknown> });
      await server.start();
      // Few enough resets of streams that Node's guard against floods of them does not step in.
      for (const bytes of fc.sample(fc.oneof(fc.uint8Array({ maxLength: 200 }), changed), 300)) {
        answer = new Uint8Array(bytes);
        const listed = await runtime.listImages().then(() => 'decoded', codeOf);
        expect(listed).toBeOneOf(['decoded', 'runtime/bad-response']);
      }
    } finally {
      runtime.close();
      await server.stop();
      await rm(directory, { recursive: true });
    }
  });
});

function codeOf(error: unknown): string {
  return isNodetenderError(error) ? error.code : String(error);
}
