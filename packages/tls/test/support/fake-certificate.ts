import { Certificate, type KeyType } from '@rp/tls';

export interface FakeOptions {
  readonly keyType?: KeyType;
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly id?: string;
}

let count = 0;

/** A certificate without any cryptography, for what only looks at names and dates. */
export function fakeCertificate(names: readonly string[], options: FakeOptions = {}): Certificate {
  count += 1;
  const id = options.id ?? `fake-${count}`;
  return new Certificate(
    {
      file: `${id}.pem`,
      names,
      subject: names[0] ?? '',
      issuer: 'nobody',
      serialNumber: '01',
      notBefore: options.notBefore ?? 0,
      notAfter: options.notAfter ?? 1_000_000,
      fingerprint: id,
      keyType: options.keyType ?? 'ecdsa',
      keyBits: 256,
      chainLength: 1,
    },
    () => ({ chain: `chain of ${id}`, key: `key of ${id}` }),
  );
}
