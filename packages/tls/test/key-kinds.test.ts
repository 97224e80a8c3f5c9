import { createPrivateKey } from 'node:crypto';
import tls from 'node:tls';
import { afterAll, describe, expect, it } from 'vitest';
import { loadCertificate, loadCertificates } from '@rp/tls';
import { Authority, openssl } from './support/authority.ts';

const authority = new Authority();
afterAll(() => authority.close());

describe.each(['rsa', 'ec', 'p384', 'ed25519'] as const)('%s', (kind) => {
  const issued = authority.issue(`${kind}.example`, { key: kind });

  it('makes a context', () => {
    const context = loadCertificate(issued).secureContext();
    expect(context).toHaveProperty('context');
  });

  it('loads an encrypted PKCS#8 key with its passphrase, and keeps it usable without', () => {
    const key = authority.path(`${kind}-enc.key`);
    openssl('pkcs8', '-topk8', '-in', issued.key, '-out', key, '-passout', 'pass:secret words');
    const { key: kept } = loadCertificate({ cert: issued.cert, key, passphrase: 'secret words' }).material();
    const same = createPrivateKey(kept).export({ type: 'pkcs8', format: 'pem' });
    expect(same).toBe(createPrivateKey(issued.keyPem).export({ type: 'pkcs8', format: 'pem' }));
  });

  it('refuses an encrypted key with a wrong passphrase or none', () => {
    const key = authority.path(`${kind}-enc.key`);
    const codes = [
      { cert: issued.cert, key },
      { cert: issued.cert, key, passphrase: 'not the one' },
    ].map((source) => loadCertificates([source]).problems[0]);
    expect(codes.map((problem) => problem?.code)).toEqual(['TLS_KEY_ENCRYPTED', 'TLS_KEY_ENCRYPTED']);
    expect(codes[0]?.reason).toBe('key is encrypted and no passphrase is given');
    expect(codes[1]?.reason).not.toContain('not the one');
  });
});

describe('older forms', () => {
  const rsa = authority.issue('rsa.example', { key: 'rsa' });
  const ec = authority.issue('ec.example', { key: 'ec' });

  it('loads PKCS#1, plain and encrypted', () => {
    openssl('rsa', '-traditional', '-in', rsa.key, '-out', authority.path('p1.key'));
    openssl(
      'rsa',
      '-traditional',
      '-aes128',
      '-passout',
      'pass:pw',
      '-in',
      rsa.key,
      '-out',
      authority.path('p1e.key'),
    );
    loadCertificate({ cert: rsa.cert, key: authority.path('p1.key') });
    const certificate = loadCertificate({ cert: rsa.cert, key: authority.path('p1e.key'), passphrase: 'pw' });
    expect(certificate.material().key).not.toContain('ENCRYPTED');
  });

  it('loads SEC 1, with parameters before it, and without its public point', () => {
    openssl('ec', '-in', ec.key, '-out', authority.path('sec1.key'));
    const parameters = openssl('ecparam', '-name', 'prime256v1');
    const plain = loadCertificate({ cert: ec.cert, key: authority.path('sec1.key') }).material().key;
    loadCertificate({ cert: ec.cert, key: authority.write('params.key', parameters + plain) });
    openssl('ec', '-in', ec.key, '-no_public', '-out', authority.path('nopub.key'));
    const bare = loadCertificate({ cert: ec.cert, key: authority.path('nopub.key') });
    expect(tls.createSecureContext({ cert: ec.chainPem, key: bare.material().key })).toBeDefined();
  });
});
