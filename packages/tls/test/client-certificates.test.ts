import { X509Certificate, randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import tls from 'node:tls';
import fc from 'fast-check';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import {
  CertificateStore,
  type ClientAuthMode,
  type ClientIdentity,
  MAX_IDENTITY_TEXT,
  TicketInstaller,
  TicketKeys,
  TlsServerBinding,
  clientAuthOptions,
  clientIdentity,
  fieldText,
  handshakeFailure,
  identityFields,
  identityOf,
  isIdentityField,
  loadCertificate,
} from '@rp/tls';
import { Authority } from './support/authority.ts';
import { type ConnectOptions, close, connect, listen } from './support/wire.ts';

const authority = new Authority();
const stranger = new Authority();
afterAll(() => {
  authority.close();
  stranger.close();
});
const open: tls.Server[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await close(server);
});
const store = new CertificateStore([
  loadCertificate(authority.issue('server.example')),
  loadCertificate(authority.issue('other.example', { key: 'rsa' })),
]);
const alice = authority.issue('alice', {
  san: 'DNS:alice.example,URI:spiffe://test/alice',
  extendedKeyUsage: 'clientAuth',
});
const mallory = stranger.issue('mallory');

async function serve(mode: ClientAuthMode) {
  const tickets = new TicketInstaller(
    new TicketKeys({ randomFill: randomFillSync, now: () => 0 }).set,
    randomFillSync,
  );
  const clientAuth = { mode, authorities: authority.rootPem };
  const binding = new TlsServerBinding({ store, now: Date.now, tickets, clientAuth });
  const server = tls.createServer(binding.serverOptions());
  const identities: (ClientIdentity | undefined)[] = [];
  const failures: string[] = [];
  server.on('secureConnection', (socket) => identities.push(clientIdentity(socket)));
  server.on('tlsClientError', (error) => failures.push(handshakeFailure(error)));
  binding.attach(server);
  open.push(server);
  return { port: await listen(server), identities, failures };
}

async function attempt(port: number, options: ConnectOptions): Promise<string> {
  return connect(port, options).then(
    ({ text }) => text,
    () => 'refused',
  );
}

const VERSIONS = ['TLSv1.3', 'TLSv1.2'] as const;
const NAMES = [undefined, 'other.example'] as const;

describe.each(VERSIONS.flatMap((version) => NAMES.map((name) => [version, name] as const)))(
  '%s, name %s',
  (version, servername) => {
    const base: ConnectOptions = {
      minVersion: version,
      maxVersion: version,
      ...(servername === undefined ? {} : { servername }),
    };
    const withAlice = { ...base, cert: alice.chainPem, key: alice.keyPem };
    const withMallory = { ...base, cert: mallory.chainPem, key: mallory.keyPem };

    it('none: asks nobody', async () => {
      const { port, identities } = await serve('none');
      expect(await attempt(port, withAlice)).toBe('hello\n');
      expect(identities).toEqual([undefined]);
    });

    it('required: lets in who has a good certificate, and tells who it is', async () => {
      const { port, identities } = await serve('required');
      expect(await attempt(port, withAlice)).toBe('hello\n');
      expect(identities[0]).toMatchObject({
        verified: true,
        reason: undefined,
        commonName: 'alice',
        subject: 'CN=alice',
        subjectAltName: 'DNS:alice.example, URI:spiffe://test/alice',
        issuer: 'CN=Test Intermediate',
        fingerprint: new X509Certificate(alice.leafPem).fingerprint256,
        serialNumber: new X509Certificate(alice.leafPem).serialNumber,
      });
    });

    it('required: keeps out who has none or one of another CA', async () => {
      const { port, identities, failures } = await serve('required');
      expect(await attempt(port, base)).not.toBe('hello\n');
      expect(await attempt(port, withMallory)).not.toBe('hello\n');
      expect(identities).toEqual([]);
      expect(failures).toHaveLength(2);
    });

    it('optional: lets in all, but verifies only who has a good one', async () => {
      const { port, identities } = await serve('optional');
      for (const options of [base, withMallory, withAlice])
        expect(await attempt(port, options)).toBe('hello\n');
      expect(identities.map((identity) => identity?.verified)).toEqual([undefined, false, true]);
      expect(identities[1]?.reason).toMatch(/^[A-Z_]+$/);
    });

    it('the identity is still there when the session is resumed', async () => {
      const { port, identities } = await serve('required');
      const { session } = await connect(port, withAlice);
      expect(await connect(port, { ...withAlice, session })).toMatchObject({ reused: true });
      expect(identities[1]).toEqual(identities[0]);
      expect(identities[1]?.verified).toBe(true);
    });
  },
);

it('a name that SNI selects does not widen the CAs that are believed', async () => {
  const { port, identities } = await serve('optional');
  await connect(port, { servername: 'other.example', cert: mallory.chainPem, key: mallory.keyPem });
  expect(identities[0]?.verified).toBe(false);
});

describe('options', () => {
  it('need a bundle of CA certificates: without one Node would believe every public CA', () => {
    for (const authorities of [
      undefined,
      '',
      'nonsense',
      '-----BEGIN X-----',
      alice.leafPem,
      `${authority.rootPem}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
    ]) {
      const auth =
        authorities === undefined
          ? { mode: 'required' as const }
          : { mode: 'required' as const, authorities };
      expect(() => clientAuthOptions(auth)).toThrow(expect.objectContaining({ code: 'TLS_CLIENT_AUTH' }));
    }
    expect(clientAuthOptions({ mode: 'required', authorities: authority.rootPem })).toMatchObject({
      requestCert: true,
      rejectUnauthorized: true,
    });
  });

  it('refuse an unknown mode', () => {
    expect(() => clientAuthOptions({ mode: 'maybe' as 'none' })).toThrow(/none, optional, required/);
    expect(clientAuthOptions(undefined)).toEqual({ requestCert: false, rejectUnauthorized: false });
  });
});

describe('fields', () => {
  const identity = (verified: boolean): ClientIdentity =>
    identityOf(new X509Certificate(alice.leafPem), verified, verified ? null : new Error('x'));

  it('tell a verified identity, with the certificate as RFC 9440 has it', () => {
    const fields = new Map(identityFields(identity(true)));
    expect(fields.get('X-Client-Verify')).toBe('SUCCESS');
    expect(fields.get('X-Client-Subject')).toBe('CN=alice');
    expect(fields.get('X-Client-San')).toBe('DNS:alice.example, URI:spiffe://test/alice');
    const der = /^:(.*):$/.exec(fields.get('Client-Cert') ?? '')?.[1] ?? '';
    expect(new X509Certificate(Buffer.from(der, 'base64')).subject).toBe('CN=alice');
  });

  it('tell nothing of one that is not verified', () => {
    expect(identityFields(identity(false))).toEqual([['X-Client-Verify', 'FAILED:x']]);
    expect(identityFields(undefined)).toEqual([['X-Client-Verify', 'NONE']]);
  });

  it('are all recognised when they come in, in any case and with _ or . for - (hazard: names that fall together)', () => {
    for (const [name] of identityFields(identity(true))) {
      expect(isIdentityField(name)).toBe(true);
      expect(isIdentityField(name.toUpperCase().replaceAll('-', '_'))).toBe(true);
      expect(isIdentityField(name.replaceAll('-', '.'))).toBe(true);
    }
    expect(isIdentityField('Client-Cert-Chain')).toBe(true);
    expect(isIdentityField('X-Client-Version')).toBe(false);
  });

  it('hazard: a name in a certificate cannot write fields of its own', () => {
    const evil = authority.issue('evil', { subject: '/CN=evil\r\nX-Admin: yes/O=\u00fcber%0a' });
    const { subject, commonName } = identityOf(new X509Certificate(evil.leafPem), true, null);
    for (const text of [subject, commonName]) expect(text).toMatch(/^[\x20-\x7e]*$/);
  });

  it('hold printable ASCII only, bounded, whatever the certificate says (property)', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 3000 }), (text) => {
        const safe = fieldText(text);
        expect(safe).toMatch(/^[\x20-\x7e]*$/);
        expect(safe.length).toBeLessThanOrEqual(MAX_IDENTITY_TEXT);
        expect(() => decodeURIComponent(safe.replace(/(?:%[0-9A-F]{2})+$/, ''))).not.toThrow();
      }),
    );
  });
});

it('waits for nobody when a client goes away in the handshake', async () => {
  const { port, failures } = await serve('required');
  const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.destroy();
  await expect.poll(() => failures).toEqual(['clientGone']);
});
