import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { indexImages, isFullImageId, parseReference } from '../../../agent/images/references.ts';
import { digestOf, hexFor, idOf, named } from './examples.ts';

describe('a reference is read as containerd reads it', () => {
  it.each([
    ['busybox', { domain: 'docker.io', path: 'library/busybox' }],
    ['busybox:1.36', { domain: 'docker.io', path: 'library/busybox', tag: '1.36' }],
    ['team/app', { domain: 'docker.io', path: 'team/app' }],
    ['docker.io/busybox', { domain: 'docker.io', path: 'library/busybox' }],
    ['index.docker.io/busybox', { domain: 'docker.io', path: 'library/busybox' }],
    ['index.docker.io/team/app', { domain: 'docker.io', path: 'team/app' }],
    ['localhost/app', { domain: 'localhost', path: 'app' }],
    ['localhost:5000/app', { domain: 'localhost:5000', path: 'app' }],
    ['reg:5000/app', { domain: 'reg:5000', path: 'app' }],
    ['reg:5000/app:2', { domain: 'reg:5000', path: 'app', tag: '2' }],
    ['reg/app', { domain: 'docker.io', path: 'reg/app' }],
    ['REG/app', { domain: 'REG', path: 'app' }],
    ['[2001:db8::1]:5000/app', { domain: '[2001:db8::1]:5000', path: 'app' }],
    ['quay.io/a/b/c:v1', { domain: 'quay.io', path: 'a/b/c', tag: 'v1' }],
    [`app@${digestOf('a')}`, { domain: 'docker.io', path: 'library/app', digest: digestOf('a') }],
    [`r.io/app:1@${digestOf('a')}`, { domain: 'r.io', path: 'app', tag: '1', digest: digestOf('a') }],
    // A colon without a slash behind it is a tag, even where a port was meant.
    ['reg:5000', { domain: 'docker.io', path: 'library/reg', tag: '5000' }],
  ])('%s', (text, expected) => {
    expect(parseReference(text)).toEqual(expected);
  });

  it.each([
    '',
    ':',
    '@',
    'app:',
    'app@',
    'App',
    'docker.io/App',
    '/app',
    'app/',
    'a//b',
    'a..b/c',
    '-app',
    'app:-1',
    `app:${'a'.repeat(129)}`,
    `app@sha256:${'a'.repeat(63)}`,
    `app@sha256:${'A'.repeat(64)}`,
    'reg.io:port/app',
    'a'.repeat(256),
    hexFor('an image ID is no name'),
    idOf('an image ID is no name'),
    'a b',
    'app:1\n',
    '<none>:<none>',
  ])('%j is none', (text) => {
    expect(parseReference(text)).toBeUndefined();
  });

  it('never throws, whatever the text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary', maxLength: 400 }), referenceLike), (text) => {
        const reference = parseReference(text);
        indexImages([named(idOf('x'), [text], [text])]).resolve(text);
        // Written out in full, it reads the same.
        expect(reference && parseReference(write(reference))).toEqual(reference);
      }),
      { numRuns: 1000 },
    );
  });

  it('takes no longer for a text made to be slow', () => {
    const startedMs = performance.now();
    for (const text of [`${'a-'.repeat(120)}!`, `${'a_'.repeat(120)}/`, `${'a.'.repeat(120)}/b`, '-'.repeat(250)]) {
      parseReference(text);
    }
    // A pattern that backtracks would take minutes.
    expect(performance.now() - startedMs).toBeLessThan(2000);
  });
});

describe('a full image ID', () => {
  it('has 64 hex digits, with or without sha256:', () => {
    expect(isFullImageId(idOf('a'))).toBe(true);
    expect(isFullImageId(hexFor('a'))).toBe(true);
    for (const text of [
      hexFor('a').slice(1),
      `${hexFor('a')}0`,
      'sha256:',
      '',
      `sha512:${hexFor('a')}`,
      'f'.repeat(63),
    ]) {
      expect(isFullImageId(text)).toBe(false);
    }
    expect(isFullImageId(`${hexFor('a')}\n`)).toBe(false);
    expect(isFullImageId(hexFor('a').toUpperCase())).toBe(false);
  });
});

describe('the index finds which image a text means', () => {
  const nginx = named(
    idOf('nginx'),
    ['docker.io/library/nginx:1.27', 'docker.io/library/nginx:latest'],
    [`docker.io/library/nginx@${digestOf('nginx')}`],
  );
  const app = named(hexFor('app'), ['reg:5000/app:2'], [`reg:5000/app@${digestOf('app')}`]);
  const orphan = named(idOf('orphan'));
  const index = indexImages([nginx, app, orphan]);

  it.each([
    ['an ID', idOf('nginx')],
    ['an ID without sha256:', hexFor('nginx')],
    ['a tag', 'docker.io/library/nginx:1.27'],
    ['a short name', 'nginx:1.27'],
    ['a short name whose tag is latest by default', 'nginx'],
    ['another spelling of Docker Hub', 'index.docker.io/nginx'],
    ['name@digest', `docker.io/library/nginx@${digestOf('nginx')}`],
    ['a short name@digest', `nginx@${digestOf('nginx')}`],
    ['name:tag@digest, where the digest alone counts', `nginx:gone@${digestOf('nginx')}`],
    ['the digest under another name: it is the same content', `mirror.example/nginx@${digestOf('nginx')}`],
    ['a digest alone', digestOf('nginx')],
    ['the beginning of an ID', hexFor('nginx').slice(0, 12)],
    ['the beginning of an ID with sha256:', idOf('nginx').slice(0, 20)],
  ])('%s', (_what, text) => {
    expect(index.resolve(text)).toEqual([nginx.id]);
  });

  it('gives IDs as the runtime listed them', () => {
    expect(index.resolve(idOf('app'))).toEqual([hexFor('app')]);
    expect(index.resolve('reg:5000/app:2')).toEqual([hexFor('app')]);
    expect(index.resolve(hexFor('orphan'))).toEqual([idOf('orphan')]);
  });

  it.each([
    'nginx:1.28',
    'reg:5000/app',
    'reg/app:2',
    `nginx:1.27@${digestOf('of another image')}`,
    idOf('not on this node'),
    '',
    'sha256:',
    '@',
  ])('%j is unknown', (text) => {
    expect(index.resolve(text)).toBeUndefined();
  });

  it('an ambiguous text means every image it can mean', () => {
    const one = named(`sha256:ab${'0'.repeat(62)}`);
    const two = named(`sha256:ab${'1'.repeat(62)}`);
    const other = named(`sha256:ac${'0'.repeat(62)}`);
    const byName = named(idOf('name'), ['docker.io/library/ab:latest']);
    const index = indexImages([two, other, byName, one]);
    expect(index.resolve('ab')?.toSorted()).toEqual([one.id, two.id, byName.id].toSorted());
    expect(index.resolve('sha256:ab')?.toSorted()).toEqual([one.id, two.id]);
    expect(index.resolve('a')?.toSorted()).toEqual([one.id, two.id, other.id].toSorted());
  });

  it('one tag listed with two images, which no runtime should do, means both', () => {
    const [a, b, c] = [
      named(idOf('a'), ['nginx:1']),
      named(idOf('b'), ['docker.io/library/nginx:1']),
      named(idOf('c'), ['nginx:1']),
    ];
    expect(indexImages([a, b, c]).resolve('nginx:1')).toEqual([a.id, b.id, c.id]);
  });

  it('finds every image by each of its names', () => {
    const images = Array.from({ length: 500 }, (_, n) =>
      named(idOf(`${n}`), [`r${n % 7}.example/app-${n}:1`], [`r${n % 7}.example/app-${n}@${digestOf(`${n}`)}`]),
    );
    const index = indexImages(images);
    for (const image of images) {
      for (const name of [image.id, ...image.tags, ...image.digests]) expect(index.resolve(name)).toEqual([image.id]);
    }
  });
});

const referenceLike = fc
  .array(
    fc.constantFrom(
      'a',
      'Z',
      '0',
      '.',
      ':',
      '/',
      '@',
      '-',
      '_',
      'sha256:',
      'docker.io',
      digestOf('f'),
      hexFor('f'),
      '*',
    ),
    {
      maxLength: 12,
    },
  )
  .map((parts) => parts.join(''));

function write({ domain, path, tag, digest }: { domain: string; path: string; tag?: string; digest?: string }): string {
  return `${domain}/${path}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}
