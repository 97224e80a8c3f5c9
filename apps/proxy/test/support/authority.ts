import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { folder } from '../run-support.ts';

/** A certificate with its key, as files. */
export interface Issued {
  readonly cert: string;
  readonly key: string;
}

export interface IssueOptions {
  /** Names for the certificate; the first is its common name. Default `localhost`, and the address 127.0.0.1. */
  readonly names?: readonly string[];
  /** From when to when, as `YYYYMMDDHHMMSSZ`. Default: for 90 days from now. */
  readonly valid?: readonly [from: string, to: string];
}

const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'pipe' });
const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** A certificate authority of one test, gone with it. */
export class Authority {
  readonly cert: string;
  readonly #key: string;
  readonly #folder: string = folder();
  #count = 0;

  constructor(name = 'Test CA') {
    this.cert = join(this.#folder, 'ca.pem');
    this.#key = join(this.#folder, 'ca.key');
    const usage = ['-addext', 'keyUsage=critical,keyCertSign,cRLSign'];
    openssl(
      'req',
      '-x509',
      ...EC,
      '-days',
      '90',
      '-subj',
      `/CN=${name}`,
      ...usage,
      '-keyout',
      this.#key,
      '-out',
      this.cert,
    );
  }

  get pem(): string {
    return readFileSync(this.cert, 'utf8');
  }

  issue({ names = ['localhost'], valid }: IssueOptions = {}): Issued {
    const base = join(this.#folder, String(++this.#count));
    const cert = `${base}.pem`;
    const key = `${base}.key`;
    const alternatives = [...names.map((name) => `DNS:${name}`), 'IP:127.0.0.1'];
    writeFileSync(
      `${base}.ext`,
      `subjectAltName=${alternatives.join(',')}\nkeyUsage=critical,digitalSignature\n`,
    );
    openssl('req', '-new', ...EC, '-subj', `/CN=${names[0]}`, '-keyout', key, '-out', `${base}.csr`);
    const dates = valid === undefined ? ['-days', '90'] : [];
    const by = ['-CA', this.cert, '-CAkey', this.#key, '-extfile', `${base}.ext`];
    if (valid === undefined)
      openssl('x509', '-req', '-in', `${base}.csr`, ...by, '-CAcreateserial', ...dates, '-out', cert);
    else this.#signBetween(`${base}.csr`, `${base}.ext`, cert, valid);
    return { cert, key };
  }

  /** Only `openssl ca` takes dates of one's own in every version. */
  #signBetween(
    request: string,
    extensions: string,
    cert: string,
    [from, to]: readonly [string, string],
  ): void {
    const directory = folder();
    writeFileSync(join(directory, 'index.txt'), '');
    writeFileSync(
      join(directory, 'ca.cnf'),
      `[ca]\ndefault_ca=own\n[own]\ndatabase=${directory}/index.txt\nnew_certs_dir=${directory}\nrand_serial=yes\ndefault_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n`,
    );
    const dates = ['-startdate', from, '-enddate', to];
    const signer = ['-cert', this.cert, '-keyfile', this.#key, '-extfile', extensions];
    openssl(
      'ca',
      '-batch',
      '-notext',
      '-config',
      join(directory, 'ca.cnf'),
      ...signer,
      ...dates,
      '-in',
      request,
      '-out',
      cert,
    );
  }
}

/** `openssl`'s way to write a time. */
export const stamp = (time: number): string =>
  `${new Date(time).toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}Z`;
