import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isNodetenderError } from '../../../../agent/errors.ts';
import { readSamples } from '../../../../agent/reboot/gates/samples.ts';

function vector(...result: unknown[]): string {
  return JSON.stringify({ status: 'success', data: { resultType: 'vector', result } });
}

describe('an answer of Prometheus', () => {
  it('is read to its series', () => {
    const body = vector({ metric: { alertname: 'Ceph', n: 'x' }, value: [1, '1'] }, { metric: {}, value: [1, '2.5'] });
    expect(readSamples(200, body)).toEqual([
      {
        labels: new Map([
          ['alertname', 'Ceph'],
          ['n', 'x'],
        ]),
        value: 1,
      },
      { labels: new Map(), value: 2.5 },
    ]);
  });

  it('may be a number by itself, or none', () => {
    const scalar = (text: string) =>
      readSamples(200, JSON.stringify({ status: 'success', data: { resultType: 'scalar', result: [1, text] } }))[0]
        ?.value;
    expect(['7', '+Inf', '-Inf', 'NaN'].map(scalar)).toEqual([7, Infinity, -Infinity, Number.NaN]);
  });

  it('tells why a query failed, on one line', () => {
    const body = JSON.stringify({ status: 'error', error: `parse error\n\u001b[31m${'x'.repeat(500)}` });
    expect(() => readSamples(400, body)).toThrow(/^Prometheus refused the query: parse error \[31mx{100,}…$/);
  });

  it.each([
    [502, '<html>'],
    [301, ''],
    [204, ''],
    [500, vector()],
  ])('with status %i is a failure', (status, body) => {
    expect(() => readSamples(status, body)).toThrow(`HTTP status ${status}, expected 200`);
  });

  it.each([
    ['a web page', '<html>'],
    ['nothing', ''],
    ['a list', '[]'],
    ['no data', '{"status":"success"}'],
    ['a matrix', '{"status":"success","data":{"resultType":"matrix","result":[]}}'],
    ['no list', '{"status":"success","data":{"resultType":"vector","result":{}}}'],
    ['a series without a value', vector({ metric: {} })],
    ['a series that is none', vector(3)],
    ['a value that is a number', vector({ metric: {}, value: [1, 1] })],
    [
      'more series than a query of alerts gives',
      vector(...Array.from({ length: 10_001 }, () => ({ value: [1, '1'] }))),
    ],
  ])('is refused when it is %s', (_name, body) => {
    expect(() => readSamples(200, body)).toThrow('the answer of Prometheus cannot be read: expected ');
  });

  it('is read or refused, whatever it is', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), fc.anything(), (text, value) => {
        for (const body of [text, vector(value)]) {
          try {
            for (const { labels } of readSamples(200, body)) expect(labels).toBeInstanceOf(Map);
          } catch (error) {
            if (!isNodetenderError(error, 'prometheus/bad-response', 'prometheus/failed')) throw error;
          }
        }
      }),
    );
  });
});
