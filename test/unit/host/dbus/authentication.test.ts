import { describe, expect, it } from 'vitest';

import { Authentication } from '../../../../agent/host/dbus/authentication.ts';

describe('the authentication on a bus', () => {
  it('claims nobody, and begins when it is let in', () => {
    const authentication = new Authentication();
    expect(authentication.receive(Buffer.from('DATA\r\n'))).toEqual({ send: 'DATA\r\n', done: false });
    expect(authentication.receive(Buffer.from('OK 1234deadbeef\r\n'))).toEqual({ send: 'BEGIN\r\n', done: true });
  });

  it('is let in at once by a bus that asks nothing', () => {
    expect(new Authentication().receive(Buffer.from('OK 1234deadbeef\r\n'))).toEqual({ send: 'BEGIN\r\n', done: true });
  });

  it('takes lines that arrive in pieces', () => {
    const authentication = new Authentication();
    for (const piece of ['DA', 'TA\r']) {
      expect(authentication.receive(Buffer.from(piece))).toEqual({ send: '', done: false });
    }
    expect(authentication.receive(Buffer.from('\nOK 12'))).toEqual({ send: 'DATA\r\n', done: false });
    expect(authentication.receive(Buffer.from('34\r\n'))).toEqual({ send: 'BEGIN\r\n', done: true });
  });

  it.each([
    ['REJECTED EXTERNAL DBUS_COOKIE_SHA1\r\n', 'host/bus-denied'],
    ['ERROR "no"\r\n', 'host/bus-denied'],
    ['HTTP/1.1 400 Bad Request\r\n', 'host/bad-response'],
    ['x'.repeat(2000), 'host/bad-response'],
    ['DATA\r\n'.repeat(9), 'host/bad-response'],
    ['OK 12\r\nl\u0001', 'host/bad-response'],
  ])('fails on %j', (text, code) => {
    expect(() => new Authentication().receive(Buffer.from(text))).toThrow(expect.objectContaining({ code }));
  });
});
