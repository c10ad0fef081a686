import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isNodetenderError } from '../../agent/errors.ts';
import type { RuntimeContainer, RuntimeImage, RuntimePort } from '../../agent/runtime/port.ts';

/** An image to bring onto the node. Names are full: `registry.example/team/app:1.0`. */
export interface ImageToImport {
  /** Images of the same content are one image with several names. */
  readonly content: string;
  readonly tags: readonly string[];
}

export interface ContainerToCreate {
  /** A tag or ID that resolves. */
  readonly image: string;
  readonly state: 'created' | 'running' | 'exited';
  /** Namespace and name of its pod; the UID is the harness's own. */
  readonly pod: { readonly namespace: string; readonly name: string };
  readonly name: string;
}

/** A runtime that the contract is tried on: what a test must be able to do beside the port. */
export interface RuntimeUnderTest {
  readonly port: RuntimePort;
  /** CRI-O refuses to remove an image in use; containerd does not ask. */
  readonly refusesInUse: boolean;
  /** What its configuration names, where it says so over CRI: containerd before 2.0. */
  readonly configuredSandboxImage: string | undefined;
  importImages(images: readonly ImageToImport[]): Promise<void>;
  /** Makes a pod with one container, and brings that to `state`. */
  createContainer(spec: ContainerToCreate): Promise<{ readonly containerId: string; readonly sandboxId: string }>;
  /** Ends and removes a container and its pod. */
  removeContainer(ids: { readonly containerId: string; readonly sandboxId: string }): Promise<void>;
  /** Ends the runtime and starts it on the same data; done when it serves again. */
  restart(): Promise<void>;
  dispose(): Promise<void>;
}

const registry = 'registry.example/contract';

/** What every RuntimePort must do, whatever stands behind it. */
export function describeRuntimeContract(name: string, start: () => Promise<RuntimeUnderTest>): void {
  describe(`a runtime port on ${name}`, () => {
    let runtime: RuntimeUnderTest;
    let port: RuntimePort;

    beforeAll(async () => {
      runtime = await start();
      port = runtime.port;
    });
    afterAll(async () => {
      port.close();
      await runtime.dispose();
    });

    async function importOne(content: string, ...tags: string[]): Promise<RuntimeImage> {
      await runtime.importImages([{ content, tags }]);
      const image = byTag(await port.listImages(), tags[0] ?? '');
      if (image === undefined) throw new Error(`${tags[0]} was imported but is not listed`);
      return image;
    }

    async function containerById(id: string): Promise<RuntimeContainer | undefined> {
      return (await port.listContainers()).find((container) => container.id === id);
    }

    it('says who it is', async () => {
      const version = await port.version();
      expect(version.name).not.toBe('');
      expect(version.version).not.toBe('');
    });

    it('lists an image with a full ID, its tag and a size', async () => {
      const image = await importOne('plain', `${registry}/plain:1`);
      expect(image.id).toMatch(/^(sha256:)?[0-9a-f]{64}$/);
      expect(image.tags).toEqual([`${registry}/plain:1`]);
      expect(image.sizeBytes).toBeGreaterThan(0);
      expect(image.pinned).toBe(false);
    });

    it('lists two names of one content as one image', async () => {
      const image = await importOne('aliased', `${registry}/alias-a:1`, `${registry}/alias-b:2`);
      expect([...image.tags].sort()).toEqual([`${registry}/alias-a:1`, `${registry}/alias-b:2`]);
    });

    it('lists every image of a few hundred, each once', async () => {
      const images = Array.from({ length: 200 }, (_, index) => ({
        content: `many ${index}`,
        tags: [`${registry}/many:${index}`],
      }));
      await runtime.importImages(images);
      const listed = await port.listImages();
      expect(listed.filter(({ tags }) => tags.some((tag) => tag.startsWith(`${registry}/many:`)))).toHaveLength(200);
      expect(new Set(listed.map(({ id }) => id)).size).toBe(listed.length);
    });

    it('resolves a reference by tag and by ID, and says when there is none', async () => {
      const image = await importOne('resolved', `${registry}/resolved:1`);
      expect((await port.imageStatus(`${registry}/resolved:1`))?.id).toBe(image.id);
      expect((await port.imageStatus(image.id))?.id).toBe(image.id);
      expect(await port.imageStatus(`${registry}/resolved:2`)).toBeUndefined();
      expect(await port.imageStatus(`sha256:${'0'.repeat(64)}`)).toBeUndefined();
    });

    it('resolves a short name as docker.io/library/…:latest', async () => {
      const image = await importOne('short', 'docker.io/library/contract-short:latest');
      expect((await port.imageStatus('contract-short'))?.id).toBe(image.id);
    });

    it.each(['created', 'running', 'exited'] as const)(
      'names the image and the pod of a container that is %s',
      async (state) => {
        const image = await importOne(`container ${state}`, `${registry}/container-${state}:1`);
        const pod = { namespace: 'shop', name: `web-${state}` };
        const ids = await runtime.createContainer({
          image: `${registry}/container-${state}:1`,
          state,
          pod,
          name: 'web',
        });
        const container = await containerById(ids.containerId);
        expect(container).toMatchObject({ state, name: 'web', sandboxId: ids.sandboxId, pod });
        expect(container?.createdAtMs).toBeGreaterThan(Date.UTC(2020));
        const resolved = await Promise.all((container?.imageReferences ?? []).map((text) => port.imageStatus(text)));
        expect(resolved.map((found) => found?.id)).toContain(image.id);
        await runtime.removeContainer(ids);
        expect(await containerById(ids.containerId)).toBeUndefined();
      },
    );

    it("lists a pod's sandbox and names the image it runs", async () => {
      await importOne('sandboxed', `${registry}/sandboxed:1`);
      const pod = { namespace: 'shop', name: 'boxed' };
      const ids = await runtime.createContainer({
        image: `${registry}/sandboxed:1`,
        state: 'running',
        pod,
        name: 'web',
      });
      const sandbox = (await port.listSandboxes()).find(({ id }) => id === ids.sandboxId);
      expect(sandbox).toMatchObject({ state: 'ready', pod });
      const reference = await port.sandboxImage(ids.sandboxId);
      expect(await port.imageStatus(reference ?? '')).toBeDefined();
      await runtime.removeContainer(ids);
    });

    it('names the image it is configured to make sandboxes of, where it says', async () => {
      expect(await port.configuredSandboxImage()).toBe(runtime.configuredSandboxImage);
    });

    it('finds no mounted image in a plain container, and nothing of what is gone', async () => {
      await importOne('mounts', `${registry}/mounts:1`);
      const pod = { namespace: 'shop', name: 'mounts' };
      const ids = await runtime.createContainer({ image: `${registry}/mounts:1`, state: 'created', pod, name: 'web' });
      expect(await port.mountedImages(ids.containerId)).toEqual([]);
      await runtime.removeContainer(ids);
      expect(await port.mountedImages(ids.containerId)).toEqual([]);
      expect(await port.sandboxImage(ids.sandboxId)).toBeUndefined();
    });

    it('removes an image with every name it has, and a second time too', async () => {
      const image = await importOne('removed', `${registry}/removed:1`, `${registry}/removed-alias:1`);
      await port.removeImage(image.id);
      expect((await port.listImages()).map(({ id }) => id)).not.toContain(image.id);
      expect(await port.imageStatus(`${registry}/removed-alias:1`)).toBeUndefined();
      await expect(port.removeImage(image.id)).resolves.toBeUndefined();
    });

    it('removes many at once', async () => {
      const tags = Array.from({ length: 50 }, (_, index) => `${registry}/burst:${index}`);
      await runtime.importImages(tags.map((tag) => ({ content: tag, tags: [tag] })));
      const listed = await port.listImages();
      await Promise.all(tags.map((tag) => port.removeImage(byTag(listed, tag)?.id ?? '')));
      const left = await port.listImages();
      expect(tags.filter((tag) => byTag(left, tag) !== undefined)).toEqual([]);
    });

    it('removes or refuses an image in use, as its runtime does', async () => {
      const image = await importOne('in use', `${registry}/in-use:1`);
      const pod = { namespace: 'shop', name: 'in-use' };
      const ids = await runtime.createContainer({ image: image.id, state: 'running', pod, name: 'web' });
      const outcome = await port.removeImage(image.id).then(() => 'removed', codeOf);
      expect(outcome).toBe(runtime.refusesInUse ? 'runtime/image-in-use' : 'removed');
      // Still running: nothing but the name of what it runs is gone.
      expect(await containerById(ids.containerId)).toMatchObject({ state: 'running' });
      await runtime.removeContainer(ids);
    });

    it('names a file system that holds images', async () => {
      const filesystems = await port.imageFilesystems();
      expect(filesystems.length).toBeGreaterThan(0);
      for (const filesystem of filesystems) expect(filesystem.mountpoint).toMatch(/^\//);
    });

    it('stops waiting when asked to', async () => {
      await expect(port.listImages(AbortSignal.abort())).rejects.toMatchObject({ code: 'runtime/cancelled' });
      const stop = new AbortController();
      const listing = port.listImages(stop.signal);
      stop.abort();
      await expect(listing).rejects.toMatchObject({ code: 'runtime/cancelled' });
    });

    it('goes on after a restart of the runtime', async () => {
      const image = await importOne('restarted', `${registry}/restarted:1`);
      await runtime.restart();
      expect((await port.listImages()).map(({ id }) => id)).toContain(image.id);
      await port.removeImage(image.id);
      expect((await port.listImages()).map(({ id }) => id)).not.toContain(image.id);
    });

    it('refuses calls once closed', async () => {
      port.close();
      await expect(port.listImages()).rejects.toMatchObject({ code: 'runtime/cancelled' });
    });
  });
}

function byTag(images: readonly RuntimeImage[], tag: string): RuntimeImage | undefined {
  return images.find(({ tags }) => tags.includes(tag));
}

function codeOf(error: unknown): string {
  return isNodetenderError(error) ? error.code : String(error);
}
