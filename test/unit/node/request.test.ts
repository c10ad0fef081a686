import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextStep } from '../../../agent/node/request.ts';
import { textOfPage } from '../../harness/page.ts';

const none = { handled: undefined, done: undefined };

describe('a value of nodetender.dev/clean', () => {
  it('asks for a run when it differs from the one accepted last', () => {
    const run = { kind: 'run', dryRun: false, accepted: false };
    expect(nextStep({ ...none, clean: '1' })).toEqual({ ...run, value: '1' });
    expect(nextStep({ clean: '2', handled: '1', done: '1' })).toEqual({ ...run, value: '2' });
    // An old value that is set again after another one is new.
    expect(nextStep({ clean: '1', handled: '2', done: '2' })).toEqual({ ...run, value: '1' });
  });

  it('that was accepted and not done is run again, without accepting it again', () => {
    expect(nextStep({ clean: '2', handled: '2', done: '1' })).toEqual({
      kind: 'run',
      value: '2',
      dryRun: false,
      accepted: true,
    });
  });

  it('that is done, or was taken away, asks for nothing', () => {
    expect(nextStep({ clean: '2', handled: '2', done: '2' })).toEqual({ kind: 'none' });
    expect(nextStep({ clean: undefined, handled: '2', done: '1' })).toEqual({ kind: 'none' });
    expect(nextStep({ clean: undefined, ...none })).toEqual({ kind: 'none' });
  });

  it.each(['dry-run', 'dry-run-3', 'dry-run 2026-11-23T10:00:00+01:00'])('asks for a dry run: %s', (clean) => {
    expect(nextStep({ ...none, clean })).toMatchObject({ kind: 'run', dryRun: true });
  });

  it.each([
    '1',
    'true',
    '2026-11-23T10:15:00Z',
    '10:15',
    'Mon Nov 23 00:20:42 UTC 2026',
    'x'.repeat(253),
    'before release 1.2',
  ])('may be any word or time: %s', (clean) => {
    expect(nextStep({ ...none, clean })).toMatchObject({ kind: 'run', dryRun: false });
  });

  it.each([
    '',
    ' ',
    '*',
    'alpine:3.7',
    'docker.io/library/alpine',
    'a,b',
    'app@sha256:00',
    '["a"]',
    '{"dryRun": true}',
    'dry-run alpine:*',
    // Meant to remove nothing: no cleaning may come of it.
    'dryrun',
    'dry_run-1',
    'Dry-Run',
    'DRYRUN 2',
    ' dry-run',
    'x'.repeat(254),
    'ä',
    'a\nb',
    'a=b',
    '\u0000',
  ])('is refused, with what was expected: %j', (clean) => {
    const step = nextStep({ ...none, clean });
    expect(step).toMatchObject({ kind: 'refuse', value: clean });
    expect(step.kind === 'refuse' && step.why).toMatch(/^expected any new word/);
  });

  it('is refused with the characters that it may have, which the page names, too', () => {
    const step = nextStep({ ...none, clean: 'a=b' });
    const characters = 'letters, digits, spaces and ';
    expect(step.kind === 'refuse' && step.why).toContain(`${characters}_ . : + - alone`);
    expect(textOfPage('kubectl.md')).toContain(`${characters}\`_ . : + -\``);
    expect(nextStep({ ...none, clean: 'Az09 _.:+-' })).toMatchObject({ kind: 'run' });
  });

  it('whatever it is, is refused or asks for one run: once accepted and done it is over', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300 }), fc.option(fc.string(), { nil: undefined }), (clean, before) => {
        const step = nextStep({ clean, handled: before, done: before });
        expect(step.kind === 'none' ? before : step.value).toBe(clean);
        expect(step.kind === 'refuse' ? step.why.length : 0).toBeLessThan(200);
        const after = nextStep({ clean, handled: clean, done: clean });
        expect(after).toEqual({ kind: 'none' });
      }),
      { numRuns: 1_000 },
    );
  });
});
