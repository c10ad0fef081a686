import { describe, expect, it } from 'vitest';
import { alertsInTheWay, parseAlertPattern } from '../../../../agent/reboot/gates/alerts.ts';
import type { AlertFilter } from '../../../../agent/reboot/gates/alerts.ts';
import type { Sample } from '../../../../agent/reboot/gates/samples.ts';

function alert(alertname: string, alertstate: 'firing' | 'pending' = 'firing', value = 1): Sample {
  return {
    labels: new Map([
      ['alertname', alertname],
      ['alertstate', alertstate],
    ]),
    value,
  };
}

function blocking(samples: readonly Sample[], filter: Partial<AlertFilter> = {}): string | undefined {
  return alertsInTheWay(samples, { ignore: undefined, only: undefined, firingOnly: false, ...filter })?.reason;
}

describe('alerts that block a reboot', () => {
  it('are all of them without a filter, pending ones too, each named once', () => {
    expect(blocking([])).toBeUndefined();
    expect(blocking([alert('Disk', 'pending'), alert('Ceph'), alert('Ceph')])).toBe('alerts Ceph, Disk');
  });

  it('are not those that are over', () => {
    expect(blocking([alert('Disk', 'firing', 0)])).toBeUndefined();
  });

  it('are not the pending ones where only firing ones shall count', () => {
    expect(blocking([alert('Disk', 'pending'), alert('Ceph')], { firingOnly: true })).toBe('alert Ceph');
  });

  it('are not those to be ignored', () => {
    expect(blocking([alert('Watchdog'), alert('Ceph')], { ignore: /^Watchdog$/u })).toBe('alert Ceph');
  });

  it('are not our own, which would be in their own way, unless they are named', () => {
    expect(blocking([alert('NodetenderRebootPending'), alert('Ceph')])).toBe('alert Ceph');
    expect(blocking([alert('NodetenderRebootPending')], { ignore: /^Watchdog$/u })).toBeUndefined();
    expect(blocking([alert('NodetenderRollStuck')], { only: /^Nodetender/u })).toBe('alert NodetenderRollStuck');
  });

  it('are alone those that are named', () => {
    expect(blocking([alert('Watchdog'), alert('CephDown')], { only: /^Ceph/u })).toBe('alert CephDown');
    const both = { only: /^Ceph/u, ignore: /Slow$/u };
    expect(blocking([alert('CephDown'), alert('CephSlow'), alert('Disk')], both)).toBe('alert CephDown');
  });
});

describe('a pattern for alerts', () => {
  it.each(['^(Watchdog|RebootRequired)$', 'Ceph.*', '\\bNode\\w+', 'a{2,3}'])('may be %s', (text) => {
    expect(parseAlertPattern(text)?.source).toBe(text);
  });

  it('may ignore the case as Go writes it', () => {
    expect(parseAlertPattern('(?i)^ceph')?.test('CephDown')).toBe(true);
  });

  it.each(['', '(', '[z-a]', '\\Qa\\E', '(?P<name>x)', '\\z', 'x'.repeat(1001)])('is not %j', (text) => {
    expect(parseAlertPattern(text)).toBeUndefined();
  });

  it('is refused where it would mean another thing than to Go', () => {
    expect(() => parseAlertPattern('[[:alpha:]]+')).toThrow('expected a class such as [a-z]');
  });

  it.each(['(a+)+$', '^(\\w*|x){2,}$', '((a*)b?)*', '(?:(?:x+))+'])(
    'is refused where a name could hang it: %s',
    (text) => {
      expect(() => parseAlertPattern(text)).toThrow('expected no repetition within a repeated group');
    },
  );

  it.each(['a(?=b)', '(?<!a)b', '(a)\\1', '(?<n>a)\\k<n>'])('is refused where Go has no such thing: %s', (text) => {
    expect(() => parseAlertPattern(text)).toThrow('expected no look-around and no back-reference');
  });

  it.each(['(Node.*|Kube[+*]+)', '(Foo|Bar)+', 'a+(b\\+)+', '(x+)?y'])('may repeat otherwise: %s', (text) => {
    expect(parseAlertPattern(text)).toBeInstanceOf(RegExp);
  });

  it('meets names cut short, or some patterns would take minutes', () => {
    const startedMs = performance.now();
    blocking([alert('a'.repeat(100_000))], { ignore: /^a*a*a*b$/u });
    expect(performance.now() - startedMs).toBeLessThan(5000);
  });
});
