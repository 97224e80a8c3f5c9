import { execFileSync } from 'node:child_process';
import { createPrivateKey, sign, type KeyObject } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A certificate chain with its key, as files. */
export interface Issued {
  readonly cert: string;
  readonly key: string;
}

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'pipe' });

/** Octets of a DER element at `at`: tag, length and content. */
function element(der: Buffer, at: number): Buffer {
  const first = der[at + 1] ?? 0;
  const long = first < 0x80 ? 0 : first & 0x7f;
  const length = long === 0 ? first : der.readUIntBE(at + 2, long);
  return der.subarray(at, at + 2 + long + length);
}

/** A DER element of this tag. */
function wrap(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >>> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

/** A root and an intermediate of one run: what they issue has a chain without flaws. */
export class Authority {
  /** The root, for clients. */
  readonly root: string;
  readonly #folder: string;
  readonly #intermediate: Issued;
  #count = 0;

  constructor(folder: string) {
    this.#folder = folder;
    this.root = join(folder, 'root.pem');
    const rootKey = join(folder, 'root.key');
    const usage = ['-addext', 'keyUsage=critical,keyCertSign,cRLSign'];
    const self = ['req', '-x509', ...EC, '-days', '365', '-subj', '/CN=Acceptance Root', ...usage];
    openssl(...self, '-keyout', rootKey, '-out', this.root);
    this.#intermediate = { cert: join(folder, 'intermediate.pem'), key: join(folder, 'intermediate.key') };
    const extensions = 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n';
    this.#sign('intermediate', '/CN=Acceptance Intermediate', extensions, { cert: this.root, key: rootKey });
  }

  get rootPem(): string {
    return readFileSync(this.root, 'utf8');
  }

  /** A certificate for these names and 127.0.0.1. */
  issue(...names: string[]): Issued {
    const name = `leaf${++this.#count}`;
    const alternatives = ['IP:127.0.0.1', ...names.map((one) => `DNS:${one}`)].join(',');
    const extensions = `subjectAltName=${alternatives}\nkeyUsage=critical,digitalSignature\n`;
    const issued = this.#sign(name, `/CN=${names[0]}`, extensions, this.#intermediate);
    const chain = readFileSync(issued.cert, 'utf8') + readFileSync(this.#intermediate.cert, 'utf8');
    writeFileSync(issued.cert, chain);
    return issued;
  }

  /** `count` certificates for `host00000.example` and so on, with one key; signed here, since openssl would take minutes. */
  issueMany(count: number): Issued[] {
    const template = this.issue('host00000.example');
    const pem = readFileSync(template.cert, 'utf8');
    const [leaf = ''] = pem.split('-----END CERTIFICATE-----');
    const der = Buffer.from(leaf.replace('-----BEGIN CERTIFICATE-----', ''), 'base64');
    const signed = element(der, 4);
    const algorithm = element(der, 4 + signed.length);
    const key = createPrivateKey(readFileSync(this.#intermediate.key));
    const issuer = readFileSync(this.#intermediate.cert, 'utf8');
    return Array.from({ length: count }, (_, index) => {
      const cert = join(this.#folder, `host${index}.pem`);
      writeFileSync(cert, variant(signed, algorithm, key, index) + issuer);
      return { cert, key: template.key };
    });
  }

  #sign(name: string, subject: string, extensions: string, by: Issued): Issued {
    const base = join(this.#folder, name);
    const issued = { cert: `${base}.pem`, key: `${base}.key` };
    writeFileSync(`${base}.ext`, extensions);
    openssl('req', '-new', ...EC, '-subj', subject, '-keyout', issued.key, '-out', `${base}.csr`);
    const signer = ['-CA', by.cert, '-CAkey', by.key, '-CAcreateserial', '-extfile', `${base}.ext`];
    openssl('x509', '-req', '-in', `${base}.csr`, ...signer, '-days', '90', '-out', issued.cert);
    return issued;
  }
}

/** The template with another number in its names. */
function variant(signed: Buffer, algorithm: Buffer, key: KeyObject, index: number): string {
  const digits = String(index).padStart(5, '0');
  const own = Buffer.from(signed.toString('latin1').replaceAll('host00000', `host${digits}`), 'latin1');
  const signature = Buffer.concat([Buffer.from([0]), sign('sha256', own, key)]);
  const der = wrap(0x30, Buffer.concat([own, algorithm, wrap(0x03, signature)]));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
