import { describe, expect, it } from 'vitest';

import { parseSignature, parseSingleSignature } from '../../../../agent/host/dbus/signature.ts';

describe('a signature of D-Bus', () => {
  it('names types in order, structs and entries of dictionaries with their fields', () => {
    expect(parseSignature('sa(yv)a{ub}')).toEqual([
      { code: 's' },
      { code: 'a', item: { code: '(', fields: [{ code: 'y' }, { code: 'v' }] } },
      { code: 'a', item: { code: '(', fields: [{ code: 'u' }, { code: 'b' }] } },
    ]);
    expect(parseSignature('')).toEqual([]);
  });

  it.each([
    'a',
    '(',
    '()',
    '(s',
    's)',
    'a{s}',
    'a{vs}',
    'a{sss}',
    '{ss}',
    'z',
    'aaa',
    'r',
    'e',
    `${'a'.repeat(200)}s`,
    's'.repeat(256),
  ])('is refused when it is %j', (signature) => {
    expect(() => parseSignature(signature)).toThrow(expect.objectContaining({ code: 'host/bad-response' }));
  });

  it('of a variant is exactly one type', () => {
    expect(parseSingleSignature('as')).toEqual({ code: 'a', item: { code: 's' } });
    for (const signature of ['', 'ss']) {
      expect(() => parseSingleSignature(signature)).toThrow(expect.objectContaining({ code: 'host/bad-response' }));
    }
  });
});
