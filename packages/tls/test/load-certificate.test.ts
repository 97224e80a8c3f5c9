import { X509Certificate } from 'node:crypto';
import { chmodSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { CertificateError, type CertificateSource, loadCertificate, loadCertificates } from '@rp/tls';
import { Findings, checkChain, type ParsedCertificate } from '../src/certificate-checks.ts';
import { x509Facts } from '../src/x509-facts.ts';
import { Authority, inDays, type Issued } from './support/authority.ts';

const authority = new Authority();
afterAll(() => authority.close());
const good = authority.issue('good.example');

function problemsOf(source: CertificateSource, now: number = Date.now()) {
  return loadCertificates([source], { now: () => now }).problems;
}

function codesOf(source: CertificateSource, now?: number): string[] {
  return problemsOf(source, now).map(({ severity, code }) => `${severity} ${code}`);
}

describe('a certificate that is right', () => {
  it('loads with its names, dates and fingerprint, and without a word', () => {
    const certificate = loadCertificate(good);
    expect(certificate.names).toEqual(['good.example']);
    expect(certificate.notBefore).toBeLessThanOrEqual(Date.now());
    expect(certificate.notAfter).toBeGreaterThan(inDays(89));
    expect(certificate.fingerprint).toMatch(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
    expect(certificate.info).toMatchObject({
      keyType: 'ecdsa',
      keyBits: 256,
      chainLength: 2,
      subject: 'good.example',
    });
    expect(certificate.info.issuer).toBe('Test Intermediate');
    expect(certificate.warnings).toEqual([]);
  });

  it('loads from PEM text too', () => {
    expect(loadCertificate({ cert: good.chainPem, key: good.keyPem }).info.file).toBe('(inline certificate)');
  });

  it('loads with text around the PEM blocks and with CRLF line ends', () => {
    const cert = `Bag Attributes\n  friendlyName: x\n${good.chainPem.replaceAll('\n', '\r\n')}# end\n`;
    expect(codesOf({ cert, key: good.keyPem.replaceAll('\n', '\r\n') })).toEqual([]);
  });
});

describe('files', () => {
  it('names a file that is not there, and the reason', () => {
    const source = { cert: authority.path('absent.pem'), key: good.key };
    expect(() => loadCertificate(source)).toThrow(
      /absent\.pem: cannot be read: ENOENT \(TLS_FILE_UNREADABLE\)/,
    );
  });

  it('reports every problem of both files at once', () => {
    const source = { cert: authority.path('absent.pem'), key: authority.path('absent.key') };
    expect(codesOf(source)).toEqual(['error TLS_FILE_UNREADABLE', 'error TLS_FILE_UNREADABLE']);
  });

  it('names an empty file', () => {
    const empty = authority.write('empty.pem', '');
    expect(codesOf({ cert: empty, key: good.key })).toEqual(['error TLS_FILE_EMPTY']);
    expect(codesOf({ cert: good.cert, key: empty })).toEqual(['error TLS_FILE_EMPTY']);
  });

  it('names a file that is no PEM, and one that is cut off', () => {
    const noise = authority.write('noise.pem', 'not a certificate');
    expect(codesOf({ cert: noise, key: good.key })).toEqual(['error TLS_CERT_UNPARSABLE']);
    expect(codesOf({ cert: good.cert, key: noise })).toEqual(['error TLS_KEY_UNPARSABLE']);
    const cut = authority.write('cut.pem', good.leafPem.slice(0, 300));
    expect(codesOf({ cert: cut, key: good.key })).toEqual(['error TLS_CERT_UNPARSABLE']);
  });

  it('names the certificate of the chain that is not readable', () => {
    const broken = good.chainPem.replace(/(CERTIFICATE-----\n[\s\S]*CERTIFICATE-----\n)MII/, '$1AAA');
    expect(problemsOf({ cert: broken, key: good.keyPem })[0]?.reason).toBe('certificate 2 is not readable');
  });

  it('names a key that is damaged inside', () => {
    const damaged = good.keyPem.replace(/\nMI[GH]/, '\nAAAA');
    expect(codesOf({ cert: good.cert, key: damaged })).toEqual(['error TLS_KEY_UNPARSABLE']);
  });

  it('warns of a key file that others can read, and not of one that only its owner can', () => {
    const open = authority.write('open.key', good.keyPem);
    chmodSync(open, 0o640);
    expect(problemsOf({ cert: good.cert, key: open })).toEqual([
      {
        code: 'TLS_KEY_FILE_MODE',
        severity: 'warning',
        file: open,
        reason: 'key file has mode 0640: others than its owner can reach it',
      },
    ]);
    chmodSync(open, 0o600);
    expect(codesOf({ cert: good.cert, key: open })).toEqual([]);
  });
});

describe('key and certificate', () => {
  it.each(['rsa', 'ec', 'ed25519'] as const)('refuses the key of another certificate (%s)', (key) => {
    const one = authority.issue('one.example', { key });
    const other = authority.issue('other.example', { key });
    expect(codesOf({ cert: one.cert, key: one.key })).toEqual([]);
    const [problem] = problemsOf({ cert: one.cert, key: other.key });
    expect(problem?.code).toBe('TLS_KEY_MISMATCH');
    expect(problem?.file).toBe(other.key);
    expect(problem?.reason).toContain(one.cert);
  });

  it('refuses a key of another kind', () => {
    const rsa = authority.issue('rsa.example', { key: 'rsa' });
    expect(codesOf({ cert: good.cert, key: rsa.key })).toEqual(['error TLS_KEY_MISMATCH']);
  });

  it('refuses RSA below 2048 bits, other curves and other algorithms', () => {
    expect(codesOf(authority.issue('small.example', { key: 'rsa1024' }))).toContain(
      'error TLS_KEY_TOO_SMALL',
    );
    expect(codesOf(authority.issue('curve.example', { key: 'secp256k1' }))).toContain('error TLS_KEY_TYPE');
    expect(codesOf(authority.issue('ed448.example', { key: 'ed448' }))).toContain('error TLS_KEY_TYPE');
    expect(codesOf(authority.issue('p384.example', { key: 'p384' }))).toEqual([]);
  });
});

describe('the chain', () => {
  it('refuses a chain whose leaf is not first, and says which certificate the key belongs to', () => {
    const cert = authority.write('reversed.pem', authority.intermediatePem + good.leafPem);
    const problem = problemsOf({ cert, key: good.key }).find(
      ({ code }) => code === 'TLS_CHAIN_LEAF_NOT_FIRST',
    );
    expect(problem?.reason).toContain('certificate 2');
  });

  it('refuses a certificate in the chain that did not issue the one before, and names it', () => {
    const stranger = authority.issue('stranger.example');
    const cert = authority.write('extra.pem', good.chainPem + stranger.leafPem);
    const [problem] = problemsOf({ cert, key: good.key });
    expect(problem?.code).toBe('TLS_CHAIN_ORDER');
    expect(problem?.reason).toBe(
      'certificate 3 (stranger.example) did not issue certificate 2 (Test Intermediate)',
    );
  });

  it('refuses an issuer of the same name with another key', () => {
    const impostor = authority.issue('Test Intermediate', { issuer: 'self', ca: true, san: null });
    const bare = authority.issue('bare.example', { bare: true });
    expect(codesOf(bare)).toEqual([]);
    for (const leaf of [good, bare]) {
      const cert = authority.write('impostor.pem', leaf.leafPem + impostor.leafPem);
      expect(codesOf({ cert, key: leaf.key })).toContain('error TLS_CHAIN_ORDER');
    }
  });

  it('looks at no more than a thousand signatures of one load, where identifiers tell whose they are', () => {
    const parse = (pem: string, damage = 0): ParsedCertificate => {
      const der = Buffer.from(new X509Certificate(pem).raw);
      der[der.length - 1]! ^= damage;
      return { x509: new X509Certificate(der), facts: x509Facts(der) };
    };
    const refused = (leaf: Issued, verified: number): boolean => {
      const findings = new Findings();
      const chain = [parse(leaf.leafPem, 1), parse(authority.intermediatePem)];
      checkChain(chain, 'x.pem', findings, new Set(Array.from({ length: verified }, (_, i) => String(i))));
      return findings.failed;
    };
    const bare = authority.issue('bare.example', { bare: true });
    expect([refused(good, 0), refused(good, 999), refused(good, 1_000)]).toEqual([true, true, false]);
    expect([refused(bare, 0), refused(bare, 1_000)]).toEqual([true, true]);
  });

  it('accepts the root at the end, with a warning', () => {
    const cert = authority.write('rooted.pem', good.chainPem + authority.rootPem);
    expect(codesOf({ cert, key: good.key })).toEqual(['warning TLS_CHAIN_HAS_ROOT']);
  });

  it('warns of a leaf alone that somebody else issued, not of a self-signed one', () => {
    const alone = authority.write('alone.pem', good.leafPem);
    expect(codesOf({ cert: alone, key: good.key })).toEqual(['warning TLS_CHAIN_LEAF_ONLY']);
    expect(codesOf(authority.issue('self.example', { issuer: 'self' }))).toEqual([]);
  });
});

describe('dates', () => {
  it('refuses an expired certificate', () => {
    const problem = problemsOf(good, inDays(91))[0];
    expect(problem?.code).toBe('TLS_EXPIRED');
    expect(problem?.reason).toMatch(/^certificate 1 \(good\.example\) expired on \d{4}-/);
    expect(() => loadCertificate(good, { now: () => inDays(91) })).toThrow(CertificateError);
    expect(codesOf(good, inDays(89))).toEqual([]);
  });

  it('warns of one that is not valid yet', () => {
    expect(new Set(codesOf(good, inDays(-1)))).toEqual(new Set(['warning TLS_NOT_YET_VALID']));
    expect(loadCertificate(good, { now: () => inDays(-1) }).warnings.length).toBeGreaterThan(0);
  });

  it('ends with the first certificate of the chain that ends', () => {
    const long = authority.issue('long.example', { days: 5000 });
    expect(loadCertificate(long).notAfter).toBeLessThan(inDays(3001));
  });
});

describe('what the certificate is for', () => {
  it('refuses key usage without digitalSignature', () => {
    const bad = authority.issue('ku.example', { keyUsage: 'keyEncipherment' });
    expect(codesOf(bad)).toEqual(['error TLS_KEY_USAGE']);
    expect(codesOf(authority.issue('ku.example', { keyUsage: 'digitalSignature' }))).toEqual([]);
  });

  it('refuses extended key usage without serverAuth', () => {
    const bad = authority.issue('eku.example', { extendedKeyUsage: 'clientAuth' });
    expect(codesOf(bad)).toEqual(['error TLS_EXTENDED_KEY_USAGE']);
    expect(codesOf(authority.issue('eku.example', { extendedKeyUsage: 'serverAuth,clientAuth' }))).toEqual(
      [],
    );
  });

  it('refuses signatures with SHA-1 and MD5', () => {
    const rsaCa = authority.issue('RSA CA', { key: 'rsa', issuer: 'self', ca: true, san: null });
    for (const issuer of ['intermediate', rsaCa] as const) {
      expect(codesOf(authority.issue('weak.example', { digest: 'sha1', issuer }))).toContain(
        'error TLS_WEAK_SIGNATURE',
      );
    }
    const md5 = problemsOf(authority.issue('weak.example', { digest: 'md5', issuer: rsaCa }));
    expect(md5.map(({ reason }) => reason)).toContain(
      'certificate 1 (weak.example) is signed with MD5 with RSA',
    );
    expect(codesOf(authority.issue('strong.example', { issuer: rsaCa }))).not.toContain(
      'error TLS_WEAK_SIGNATURE',
    );
  });

  it('warns of a CA certificate used as a server certificate', () => {
    const ca = authority.issue('ca.example', {
      issuer: 'self',
      ca: true,
      keyUsage: 'digitalSignature,keyCertSign',
    });
    expect(codesOf(ca)).toEqual(['warning TLS_LEAF_IS_CA']);
  });
});

describe('names', () => {
  it('takes DNS names, wildcards and addresses, normalised', () => {
    const many = authority.issue('x', { san: 'DNS:B.Example,DNS:*.b.example,IP:127.0.0.1,IP:2001:db8::1' });
    expect(loadCertificate(many).names).toEqual(['b.example', '*.b.example', '127.0.0.1', '2001:db8::1']);
  });

  it('falls back to the common name with a warning', () => {
    const old = authority.issue('cn.example', { san: null });
    expect(codesOf(old)).toEqual(['warning TLS_NAME_FROM_CN']);
    expect(loadCertificate(old).names).toEqual(['cn.example']);
  });

  it('ignores the common name where there are alternative names', () => {
    expect(loadCertificate(authority.issue('cn.example', { san: 'DNS:san.example' })).names).toEqual([
      'san.example',
    ]);
  });

  it('warns of names that match nothing, and refuses a certificate without any other', () => {
    const some = authority.issue('x', { san: 'DNS:a*.example,DNS:ok.example' });
    expect(codesOf(some)).toEqual(['warning TLS_NAME_UNUSABLE']);
    const none = authority.issue('not a host', { san: null });
    expect(codesOf(none)).toEqual(['error TLS_NO_NAMES']);
  });
});

it('serves the rest when one of several is broken, and names the broken one', () => {
  const other = authority.issue('other.example');
  const broken = { cert: authority.path('nowhere.pem'), key: other.key };
  const { certificates, problems } = loadCertificates([good, broken, other]);
  expect(certificates.map(({ names }) => names[0])).toEqual(['good.example', 'other.example']);
  expect(problems.map(({ file }) => file)).toEqual([broken.cert]);
});
