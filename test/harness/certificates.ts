import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';

/** A certificate and its key, both PEM. */
export interface Credentials {
  readonly certificate: string;
  readonly key: string;
}

export interface Subject {
  /** What Kubernetes takes for the user's name. */
  readonly commonName: string;
  /** What Kubernetes takes for the user's groups. */
  readonly organizations?: readonly string[];
  /** IP addresses and DNS names; for servers. */
  readonly hosts?: readonly string[];
}

const DAY_MS = 86_400_000;

/**
 * A certificate authority for tests. Node can read and check certificates but not make them, and openssl is not on every
 * machine that runs the quick suites, so the few fields of X.509 (RFC 5280) that TLS asks for are written here.
 */
export class CertificateAuthority {
  readonly #name: Buffer;
  readonly #keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  /** PEM. */
  readonly certificate: string;

  constructor(commonName = 'test authority') {
    this.#name = nameOf({ commonName });
    const extensions = [
      extension('551d13', sequence(boolean(true)), true),
      extension('551d0f', bits(0b0000_0110), true),
      // Two authorities may have one name: the key identifier tells them apart when a client trusts both.
      extension('551d0e', octets(keyIdentifier(this.#keys.publicKey))),
    ];
    this.certificate = this.#sign(this.#name, this.#keys.publicKey, extensions, -DAY_MS, 3650 * DAY_MS);
  }

  /** A certificate good for servers and clients; `validForMs` from now, which may have passed already. */
  issue(subject: Subject, validForMs: number = 365 * DAY_MS): Credentials {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const extensions = [
      extension('551d0f', bits(0b1000_0000), true),
      // serverAuth and clientAuth
      extension('551d25', sequence(oid('2b06010505070301'), oid('2b06010505070302'))),
      extension('551d23', sequence(tagged(0x80, keyIdentifier(this.#keys.publicKey)))),
    ];
    if (subject.hosts !== undefined) extensions.push(extension('551d11', sequence(...subject.hosts.map(hostName))));
    return {
      certificate: this.#sign(nameOf(subject), publicKey, extensions, -DAY_MS, validForMs),
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    };
  }

  #sign(subject: Buffer, publicKey: KeyObject, extensions: Buffer[], fromMs: number, untilMs: number): string {
    const nowMs = Date.now();
    const body = sequence(
      tagged(0xa0, integer(Buffer.from([2]))),
      // The first bit stays clear: a serial number is positive.
      integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
      ecdsaWithSha256,
      this.#name,
      sequence(time(nowMs + Math.min(fromMs, untilMs - 1000)), time(nowMs + untilMs)),
      subject,
      publicKey.export({ type: 'spki', format: 'der' }),
      tagged(0xa3, sequence(...extensions)),
    );
    const signature = sign('sha256', body, this.#keys.privateKey);
    const der = sequence(body, ecdsaWithSha256, tagged(0x03, Buffer.concat([Buffer.from([0]), signature])));
    const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
    return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
  }
}

function keyIdentifier(publicKey: KeyObject): Buffer {
  return createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest();
}

function nameOf({ commonName, organizations = [] }: Subject): Buffer {
  const attribute = (id: string, text: string): Buffer =>
    tagged(0x31, sequence(oid(id), tagged(0x0c, Buffer.from(text))));
  return sequence(...organizations.map((text) => attribute('55040a', text)), attribute('550403', commonName));
}

function hostName(host: string): Buffer {
  return isIP(host) === 4 ? tagged(0x87, Buffer.from(host.split('.').map(Number))) : tagged(0x82, Buffer.from(host));
}

function extension(id: string, value: Buffer, critical = false): Buffer {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), octets(value));
}

/** DER: a tag, the length, the content. */
function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  if (length < 0x100) return Buffer.concat([Buffer.from([tag, 0x81, length]), content]);
  return Buffer.concat([Buffer.from([tag, 0x82, length >> 8, length & 0xff]), content]);
}

function sequence(...parts: Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts));
}

function integer(bytes: Buffer): Buffer {
  return tagged(0x02, bytes);
}

function boolean(value: boolean): Buffer {
  return tagged(0x01, Buffer.from([value ? 0xff : 0]));
}

function octets(bytes: Buffer): Buffer {
  return tagged(0x04, bytes);
}

/** A bit string of one byte, without the unused bits at its end, as DER wants it. */
function bits(byte: number): Buffer {
  let unused = 0;
  while (unused < 7 && (byte & (1 << unused)) === 0) unused += 1;
  return tagged(0x03, Buffer.from([unused, byte]));
}

/** An object identifier, given as the hexadecimal digits of its encoding. */
function oid(hex: string): Buffer {
  return tagged(0x06, Buffer.from(hex, 'hex'));
}

/** UTCTime, which ends in 2049. */
function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replaceAll(/[-:T]/g, '').slice(2, 14);
  return tagged(0x17, Buffer.from(`${digits}Z`));
}

const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'));
