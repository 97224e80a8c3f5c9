import { describe, expect, it } from 'vitest';
import { CertificateStore } from '@rp/tls';
import { chooseCertificate, defaultChoice, onlyCertificate } from '../src/choose-certificate.ts';
import { fakeCertificate } from './support/fake-certificate.ts';

const rsa = fakeCertificate(['a'], { keyType: 'rsa' });
const ecdsa = fakeCertificate(['a'], { keyType: 'ecdsa' });
const ed25519 = fakeCertificate(['a'], { keyType: 'ed25519' });

describe('by what the client can verify', () => {
  const all = { rsa, ecdsa, ed25519 };
  it.each([
    [['RSA-PSS+SHA256', 'ECDSA+SHA256', 'Ed25519+UNDEF'], 'TLSv1.3', ecdsa],
    [['RSA-PSS+SHA256', 'ECDSA+SHA384'], 'TLSv1.3', rsa],
    [['RSA-PSS+SHA256', 'ECDSA+SHA256'], 'TLSv1.2', rsa],
    [['ECDSA+SHA384'], 'TLSv1.2', ecdsa],
    [['RSA+SHA256'], 'TLSv1.2', rsa],
    [['Ed25519+UNDEF'], 'TLSv1.3', ed25519],
    [[], 'TLSv1.3', ecdsa],
  ])('%j over %s', (algorithms, version, expected) => {
    expect(chooseCertificate(all, algorithms, version)).toBe(expected);
  });

  it('knows when there is nothing to choose', () => {
    expect(onlyCertificate({ rsa, ecdsa: undefined, ed25519: undefined })).toBe(rsa);
    expect(onlyCertificate({ rsa: undefined, ecdsa, ed25519: undefined })).toBe(ecdsa);
    expect(onlyCertificate({ rsa: undefined, ecdsa: undefined, ed25519 })).toBe(ed25519);
    expect(onlyCertificate({ rsa, ecdsa, ed25519: undefined })).toBeUndefined();
    expect(onlyCertificate({ rsa, ecdsa: undefined, ed25519 })).toBeUndefined();
  });
});

describe('hazard: before Node 26 an ECDSA default answers for names that have only RSA', () => {
  const other = fakeCertificate(['b'], { keyType: 'rsa' });
  it('leaves ECDSA out of the default unless every name has it', () => {
    const mixed = new CertificateStore([rsa, ecdsa, other]);
    expect(defaultChoice(mixed, 0, true)).toEqual({ rsa, ecdsa: undefined, ed25519: undefined });
    expect(defaultChoice(mixed, 0, false)).toEqual({ rsa, ecdsa, ed25519: undefined });
    const even = new CertificateStore([ecdsa]);
    expect(defaultChoice(even, 0, true)).toMatchObject({ ecdsa });
  });

  it('refuses a default that would have nothing left', () => {
    const store = new CertificateStore([ecdsa, other]);
    expect(() => defaultChoice(store, 0, true)).toThrow(
      expect.objectContaining({ code: 'TLS_DEFAULT_KEY_TYPE' }),
    );
    expect(defaultChoice(store, 0, false)).toMatchObject({ ecdsa });
  });
});
