import { describe, expect, it } from 'vitest';
import { runtimeError } from '../../../agent/runtime/errors.ts';

const endpoint = 'unix:///run/containerd/containerd.sock';

function explained(code: number, details: string, method = 'ListImages'): { code: string; message: string } {
  const { code: ours, message } = runtimeError({ code, details }, { method, endpoint, deadlineMs: 30_000 });
  return { code: ours, message };
}

describe('a failed call of the runtime', () => {
  it.each([
    [14, 'No connection established. Last error: connect ENOENT /run/x.sock. Resolution note: ', 'runtime/no-socket'],
    [14, 'No connection established. Last error: connect EACCES /run/x.sock', 'runtime/no-permission'],
    [14, 'No connection established. Last error: connect EPERM /run/x.sock', 'runtime/no-permission'],
    [14, 'No connection established. Last error: connect ECONNREFUSED /run/x.sock', 'runtime/unavailable'],
    [14, 'Connection dropped', 'runtime/unavailable'],
    [
      14,
      'No connection established. Last error: Protocol error (2026-11-22T23:56:43.212Z)',
      'runtime/not-a-cri-server',
    ],
    [12, 'Received HTTP status code 404', 'runtime/not-a-cri-server'],
    [13, 'Received RST_STREAM with code 0 (Call ended without gRPC status)', 'runtime/not-a-cri-server'],
    [12, 'unknown service runtime.v1.ImageService', 'runtime/cri-disabled'],
    [12, 'unknown method StreamImages for service runtime.v1.ImageService', 'runtime/unimplemented'],
    [4, 'Deadline exceeded after 30.0s', 'runtime/deadline'],
    [5, 'no such image', 'runtime/not-found'],
    [8, 'Received message larger than max (70000000 vs 67108864)', 'runtime/bad-response'],
    [13, 'Response message parsing error: index out of range', 'runtime/bad-response'],
    // A runtime that shuts down cancels its own work: nobody here asked for it.
    [1, 'context canceled', 'runtime/unavailable'],
    [2, 'something else', 'runtime/failed'],
  ])('of gRPC status %i, "%s", is %s', (code, details, expected) => {
    expect(explained(code, details).code).toBe(expected);
  });

  it('is an image in use only when a removal says so', () => {
    const details = 'image used by 4f1c…: image is in use by a container';
    expect(explained(2, details, 'RemoveImage').code).toBe('runtime/image-in-use');
    expect(explained(2, details, 'ListImages').code).toBe('runtime/failed');
  });

  it('names the socket and what to do', () => {
    expect(explained(14, 'connect ENOENT').message).toContain('--runtime-endpoint');
    expect(explained(14, 'connect EACCES').message).toContain('run as root');
    expect(explained(12, 'unknown service runtime.v1.RuntimeService').message).toContain('disabled_plugins');
    for (const code of [2, 4, 8, 12, 13, 14]) expect(explained(code, 'x').message).toContain(endpoint);
  });

  it('says what the system said without the wrapping of the library', () => {
    const details =
      'No connection established. Last error: Failed to connect (2026-11-22T23:56:43.258Z). Resolution note: ';
    expect(explained(14, details).message).toContain(': Failed to connect. The runtime');
  });
});
