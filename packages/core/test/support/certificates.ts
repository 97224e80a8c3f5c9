import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Pair {
  readonly cert: string;
  readonly key: string;
}

const openssl = (directory: string, ...args: string[]): void => {
  execFileSync('openssl', args, { cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] });
};

/** A certificate authority that lives as long as a test file: certificates are never committed. */
export class Authority {
  readonly #directory: string = mkdtempSync(join(tmpdir(), 'rp-ca-'));
  readonly cert: string;
  #count = 0;

  constructor() {
    const subject = ['-subj', '/CN=Test authority', '-addext', 'basicConstraints=critical,CA:true'];
    openssl(
      this.#directory,
      'req',
      '-x509',
      ...newKey,
      '-nodes',
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
      '-days',
      '100',
      ...subject,
    );
    this.cert = readFileSync(join(this.#directory, 'ca.pem'), 'utf8');
  }

  /** A certificate for these names, or for a client with this common name. */
  issue(names: readonly string[], use: 'serverAuth' | 'clientAuth' = 'serverAuth'): Pair {
    const at = (ending: string): string => `${this.#count}.${ending}`;
    this.#count++;
    const alternatives = names.map((name) => `DNS:${name}`).join(',');
    const extensions = `subjectAltName=${alternatives}\nextendedKeyUsage=${use}\nkeyUsage=digitalSignature\nbasicConstraints=CA:false\n`;
    writeFileSync(join(this.#directory, at('ext')), extensions);
    openssl(
      this.#directory,
      'req',
      ...newKey,
      '-nodes',
      '-keyout',
      at('key'),
      '-out',
      at('csr'),
      '-subj',
      `/CN=${names[0]}`,
    );
    openssl(
      this.#directory,
      'x509',
      '-req',
      '-in',
      at('csr'),
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-days',
      '50',
      '-out',
      at('pem'),
      '-extfile',
      at('ext'),
    );
    return {
      cert: readFileSync(join(this.#directory, at('pem')), 'utf8'),
      key: readFileSync(join(this.#directory, at('key')), 'utf8'),
    };
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true });
  }
}

const newKey: readonly string[] = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
