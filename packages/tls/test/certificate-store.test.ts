import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CertificateStore, TlsError } from '@rp/tls';
import { fakeCertificate } from './support/fake-certificate.ts';

const NOW = 1000;

function found(store: CertificateStore, name: string | undefined, now: number = NOW): string {
  const { kind, choice } = store.select(name, now);
  const certificate = choice?.ecdsa ?? choice?.rsa ?? choice?.ed25519;
  return certificate === undefined ? kind : `${kind} ${certificate.info.file}`;
}

describe('names', () => {
  const store = new CertificateStore([
    fakeCertificate(['example.com'], { id: 'plain' }),
    fakeCertificate(['*.example.com'], { id: 'wild' }),
    fakeCertificate(['a.example.com'], { id: 'exact' }),
    fakeCertificate(['xn--bcher-kva.example', '127.0.0.1', '2001:db8::1'], { id: 'odd' }),
  ]);

  it('finds the exact name before the wildcard', () => {
    expect(found(store, 'a.example.com')).toBe('exact exact.pem');
    expect(found(store, 'b.example.com')).toBe('wildcard wild.pem');
  });

  it('lets a wildcard stand for exactly one label (RFC 9525 §6.3)', () => {
    expect(found(store, 'a.b.example.com')).toBe('unknown');
    expect(found(store, 'example.com')).toBe('exact plain.pem');
    expect(found(new CertificateStore([fakeCertificate(['*.example.com'])]), 'example.com')).toBe('unknown');
  });

  it('folds case and takes a final dot away', () => {
    expect(found(store, 'A.EXAMPLE.com')).toBe('exact exact.pem');
    expect(found(store, 'a.example.com.')).toBe('exact exact.pem');
  });

  it('finds internationalised names in both forms', () => {
    expect(found(store, 'bücher.example')).toBe('exact odd.pem');
    expect(found(store, 'XN--BCHER-KVA.example')).toBe('exact odd.pem');
  });

  it('finds addresses in any spelling', () => {
    for (const name of ['127.0.0.1', '::ffff:127.0.0.1', '2001:0DB8:0::1', '[2001:db8::1]']) {
      expect(found(store, name)).toBe('exact odd.pem');
    }
  });

  it('does not take a literal asterisk, an empty or a broken name for anything', () => {
    for (const name of [
      '*.example.com',
      '.',
      '.example.com',
      'a..example.com',
      `${'a'.repeat(300)}.example.com`,
      'a b.example.com',
      'a\0.example.com',
    ]) {
      expect([name, found(store, name)]).toEqual([name, 'unknown']);
    }
  });

  it('gives the first certificate, or the one of defaultName, to clients without a name', () => {
    expect(found(store, undefined)).toBe('default plain.pem');
    expect(found(store, '')).toBe('default plain.pem');
    const certificates = store.certificates;
    expect(found(new CertificateStore(certificates, { defaultName: 'z.example.com' }), undefined)).toBe(
      'default wild.pem',
    );
    expect(found(new CertificateStore(certificates, { defaultName: '*.Example.com' }), undefined)).toBe(
      'default wild.pem',
    );
    expect(() => new CertificateStore(certificates, { defaultName: 'nowhere' })).toThrow(TlsError);
  });

  it('has no default when it is empty', () => {
    expect(found(new CertificateStore([]), undefined)).toBe('unknown');
  });
});

describe('several certificates for one name', () => {
  it('keeps one of each kind of key', () => {
    const rsa = fakeCertificate(['a'], { keyType: 'rsa' });
    const ecdsa = fakeCertificate(['a'], { keyType: 'ecdsa' });
    const ed25519 = fakeCertificate(['a'], { keyType: 'ed25519' });
    const { choice } = new CertificateStore([rsa, ecdsa, ed25519]).select('a', NOW);
    expect(choice).toEqual({ rsa, ecdsa, ed25519 });
  });

  it('prefers the one that lasts longest', () => {
    const store = new CertificateStore([
      fakeCertificate(['a'], { id: 'short', notAfter: 2000 }),
      fakeCertificate(['a'], { id: 'long', notAfter: 3000 }),
      fakeCertificate(['a'], { id: 'middle', notAfter: 2500 }),
    ]);
    expect(found(store, 'a')).toBe('exact long.pem');
  });

  it('prefers one that is valid now to one that is not yet, and changes when that one is', () => {
    const store = new CertificateStore([
      fakeCertificate(['a'], { id: 'now', notAfter: 2000 }),
      fakeCertificate(['a'], { id: 'next', notBefore: 1500, notAfter: 3000 }),
    ]);
    expect(found(store, 'a', 1499)).toBe('exact now.pem');
    expect(found(store, 'a', 1500)).toBe('exact next.pem');
    expect(found(store, 'a', 1499)).toBe('exact now.pem');
  });

  it('gives one that is not valid yet if there is no other', () => {
    expect(found(new CertificateStore([fakeCertificate(['a'], { id: 'x', notBefore: 5000 })]), 'a')).toBe(
      'exact x.pem',
    );
  });
});

describe('an expired certificate', () => {
  it('is never chosen, up to the very millisecond', () => {
    const store = new CertificateStore([fakeCertificate(['a'], { id: 'x', notAfter: 2000 })]);
    expect(found(store, 'a', 2000)).toBe('exact x.pem');
    expect(found(store, 'a', 2001)).toBe('expired');
    expect(found(store, undefined, 2001)).toBe('expired');
  });

  it('gives way to a wildcard that covers the name', () => {
    const store = new CertificateStore([
      fakeCertificate(['a.b'], { notAfter: 2000 }),
      fakeCertificate(['*.b'], { id: 'wild', notAfter: 3000 }),
    ]);
    expect(found(store, 'a.b', 2500)).toBe('wildcard wild.pem');
    expect(found(store, 'a.b', 3500)).toBe('expired');
  });

  it('leaves the certificate of another key kind in place', () => {
    const store = new CertificateStore([
      fakeCertificate(['a'], { keyType: 'rsa', notAfter: 3000, id: 'rsa' }),
      fakeCertificate(['a'], { keyType: 'ecdsa', notAfter: 2000 }),
    ]);
    expect(store.select('a', 2500).choice).toMatchObject({ ecdsa: undefined, rsa: { notAfter: 3000 } });
  });
});

it('agrees with a plain search over all certificates (property)', () => {
  const label = fc.constantFrom('a', 'b', 'c');
  const host = fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.'));
  const pattern = fc.oneof(
    host,
    host.map((name) => `*.${name}`),
  );
  const certificate = fc.record({
    names: fc.array(pattern, { minLength: 1, maxLength: 3 }),
    notBefore: fc.nat(20),
    life: fc.nat(20),
  });
  fc.assert(
    fc.property(
      fc.array(certificate, { minLength: 1, maxLength: 6 }),
      host,
      fc.array(fc.nat(45), { minLength: 1, maxLength: 4 }),
      (made, name, times) => {
        const all = made.map(({ names, notBefore, life }) =>
          fakeCertificate(names, { notBefore, notAfter: notBefore + life }),
        );
        const store = new CertificateStore(all);
        const wildcard = `*.${name.split('.').slice(1).join('.')}`;
        for (const now of times) {
          const usable = (wanted: string): number => {
            const alive = all.filter((one) => one.names.includes(wanted) && one.notAfter >= now);
            const valid = alive.filter((one) => one.notBefore <= now);
            return Math.max(-1, ...(valid.length > 0 ? valid : alive).map((one) => one.notAfter));
          };
          const expected = usable(name) !== -1 ? usable(name) : usable(wildcard);
          expect(store.select(name, now).choice?.ecdsa?.notAfter ?? -1).toBe(expected);
        }
      },
    ),
  );
});

it('cannot be changed from outside', () => {
  const list = [fakeCertificate(['a'])];
  const store = new CertificateStore(list);
  list.push(fakeCertificate(['b']));
  expect(found(store, 'b')).toBe('unknown');
  expect(Object.isFrozen(store.certificates)).toBe(true);
});

it('counts and lists its names', () => {
  const store = new CertificateStore([fakeCertificate(['a', '*.b']), fakeCertificate(['a', 'c'])]);
  expect(store.size).toBe(3);
  expect(store.names().sort()).toEqual(['*.b', 'a', 'c']);
});

describe('whether there is anything to choose', () => {
  const one = fakeCertificate(['a.example', 'b.example'], { id: 'one' });
  it.each([
    ['one certificate', [one], true],
    ['two with other names', [one, fakeCertificate(['c.example'], { id: 'other' })], false],
    ['two with some of the names', [one, fakeCertificate(['a.example'], { id: 'other' })], false],
    ['two of one kind of key', [one, fakeCertificate(['a.example', 'b.example'], { id: 'other' })], false],
    ['none', [], false],
  ])('%s', (_name, certificates, expected) => {
    expect(new CertificateStore(certificates).hasOneChoice).toBe(expected);
  });
});
