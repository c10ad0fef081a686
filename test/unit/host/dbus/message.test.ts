import { describe, expect, it } from 'vitest';

import {
  decodeMessage,
  encodeMessage,
  MAX_MESSAGE_BYTES,
  type Message,
  messageLength,
} from '../../../../agent/host/dbus/message.ts';
import type { Value } from '../../../../agent/host/dbus/signature.ts';

const reboot: Message = {
  type: 'call',
  serial: 2,
  path: '/org/freedesktop/login1',
  interface: 'org.freedesktop.login1.Manager',
  member: 'Reboot',
  destination: 'org.freedesktop.login1',
  signature: 'b',
  body: [false],
};

/** The call above as the specification lays it out, put together by hand. */
const rebootBytes = Buffer.concat([
  Buffer.from([0x6c, 1, 0, 1, 4, 0, 0, 0, 2, 0, 0, 0, 0x99, 0, 0, 0]),
  Buffer.from([1, 1, 0x6f, 0, 23, 0, 0, 0]),
  Buffer.from('/org/freedesktop/login1\0'),
  Buffer.from([2, 1, 0x73, 0, 30, 0, 0, 0]),
  Buffer.from('org.freedesktop.login1.Manager\0\0'),
  Buffer.from([3, 1, 0x73, 0, 6, 0, 0, 0]),
  Buffer.from('Reboot\0\0'),
  Buffer.from([6, 1, 0x73, 0, 22, 0, 0, 0]),
  Buffer.from('org.freedesktop.login1\0\0'),
  Buffer.from([8, 1, 0x67, 0, 1, 0x62, 0]),
  Buffer.from([0]),
  Buffer.from([0, 0, 0, 0]),
]);

describe('a message of D-Bus', () => {
  it('is written byte for byte as the specification has it', () => {
    const bytes = encodeMessage(reboot);
    // The length of the header fields, which the hand-made bytes must have right as well.
    rebootBytes.writeUInt32LE(bytes.length - 16 - 4 - 1, 12);
    expect(bytes.toString('hex')).toBe(rebootBytes.toString('hex'));
  });

  it('is read as it was written', () => {
    expect(decodeMessage(encodeMessage(reboot))).toEqual(reboot);
  });

  it.each<[string, Value[]]>([
    ['ybnqiu', [7, true, -2, 65_535, -70_000, 4_000_000_000]],
    ['xtd', [-5n, 2n ** 63n, 0.5]],
    ['sog', ['größe', '/a/b', 'a{sv}']],
    ['a(ssssuu)', [[['shutdown', 'APT', 'why', 'block', 0, 1]]]],
    ['a(ssssuu)', [[]]],
    ['yat', [1, [1n, 2n]]],
    ['a{sv}', [[['key', { signature: 'ai', value: [1, -1] }]]]],
    ['v', [{ signature: 'v', value: { signature: '(yx)', value: [1, -1n] } }]],
  ])('carries values of type %s', (signature, body) => {
    expect(decodeMessage(encodeMessage({ ...reboot, signature, body })).body).toEqual(body);
  });

  it('is read in the other byte order as well', () => {
    const bytes = Buffer.from(
      '42020001' +
        '00000008' +
        '00000003' +
        '0000000f' +
        '0501750000000007' +
        '0801670001730000' +
        '00000003' +
        '79657300',
      'hex',
    );
    expect(messageLength(bytes)).toBe(bytes.length);
    expect(decodeMessage(bytes)).toMatchObject({ type: 'return', serial: 3, replySerial: 7, body: ['yes'] });
  });

  it('is known in length once its fixed header is there', () => {
    const bytes = encodeMessage(reboot);
    expect(messageLength(bytes.subarray(0, 15))).toBeUndefined();
    expect(messageLength(bytes.subarray(0, 16))).toBe(bytes.length);
  });

  it('is refused when it would be larger than we read', () => {
    const bytes = encodeMessage(reboot);
    bytes.writeUInt32LE(MAX_MESSAGE_BYTES, 4);
    expect(() => messageLength(bytes)).toThrow(expect.objectContaining({ code: 'host/bad-response' }));
    bytes.writeUInt32LE(0, 4);
    bytes.writeUInt32LE(0xff_ff_ff_ff, 12);
    expect(() => messageLength(bytes)).toThrow(expect.objectContaining({ code: 'host/bad-response' }));
  });

  it('may have header fields that nobody knows yet', () => {
    const plain = encodeMessage({ type: 'return', serial: 1, replySerial: 9, signature: '', body: [] });
    const extra = Buffer.from([200, 2, 0x61, 0x79, 0, 0, 0, 0, 1, 0, 0, 0, 42]);
    const bytes = Buffer.concat([plain, extra, Buffer.alloc(3)]);
    bytes.writeUInt32LE(8 + extra.length, 12);
    expect(decodeMessage(bytes)).toMatchObject({ replySerial: 9 });
  });

  it.each([
    ['another protocol', (bytes: Buffer) => bytes.writeUInt8(2, 3)],
    ['no byte order', (bytes: Buffer) => bytes.writeUInt8(0x20, 0)],
    ['serial 0', (bytes: Buffer) => bytes.writeUInt32LE(0, 8)],
    ['a boolean of 7', (bytes: Buffer) => bytes.writeUInt32LE(7, bytes.length - 4)],
    ['a path that is a number', (bytes: Buffer) => bytes.write('u', 18)],
    ['a text without its NUL', (bytes: Buffer) => bytes.write('x', 47)],
    ['a text that is not UTF-8', (bytes: Buffer) => bytes.writeUInt8(0xff, 30)],
  ])('is refused with %s', (_, spoil) => {
    const bytes = encodeMessage(reboot);
    spoil(bytes);
    expect(() => messageLength(bytes) === bytes.length && decodeMessage(bytes)).toThrow(
      expect.objectContaining({ code: 'host/bad-response' }),
    );
  });

  it('is refused when the last item of an array is longer than the array', () => {
    const bytes = encodeMessage({ ...reboot, signature: 'au', body: [[1, 2]] });
    bytes.writeUInt32LE(6, bytes.length - 12);
    expect(() => decodeMessage(bytes)).toThrow(expect.objectContaining({ code: 'host/bad-response' }));
  });
});
