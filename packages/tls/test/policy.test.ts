import { constants } from 'node:crypto';
import tls from 'node:tls';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import {
  CertificateStore,
  STRONG_CIPHERS,
  TLS12_CIPHERS,
  TLS13_CIPHERS,
  type TlsPolicy,
  TlsServerBinding,
  handshakeFailure,
  loadCertificate,
  secureOptions,
} from '@rp/tls';
import { Authority } from './support/authority.ts';
import { close, listen, sClient } from './support/wire.ts';

const authority = new Authority();
afterAll(() => authority.close());
const store = new CertificateStore([
  loadCertificate(authority.issue('rsa', { san: 'DNS:a', key: 'rsa' })),
  loadCertificate(authority.issue('ec', { san: 'DNS:a' })),
  loadCertificate(authority.issue('pair-rsa', { san: 'DNS:pair', key: 'rsa' })),
  loadCertificate(authority.issue('pair-ec', { san: 'DNS:pair' })),
]);
const open: tls.Server[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await close(server);
});

async function serve(policy?: TlsPolicy) {
  const binding = new TlsServerBinding({ store, now: Date.now, ...(policy === undefined ? {} : { policy }) });
  const server = tls.createServer(binding.serverOptions());
  const failures: string[] = [];
  server.on('tlsClientError', (error) => failures.push(handshakeFailure(error)));
  open.push(server);
  return { port: await listen(server), failures };
}

describe('options', () => {
  it('are TLS 1.2 to 1.3, strong suites in the server order, no renegotiation, no compression', () => {
    const options = secureOptions();
    expect(options).toMatchObject({
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      honorCipherOrder: true,
      sessionTimeout: 86_400,
    });
    expect(options.ciphers.split(':')).toEqual([...TLS13_CIPHERS, ...TLS12_CIPHERS]);
    for (const flag of [constants.SSL_OP_NO_RENEGOTIATION, constants.SSL_OP_NO_COMPRESSION]) {
      expect(options.secureOptions & flag).toBe(flag);
    }
    expect(options.ecdhCurve).toMatch(/X25519:P-256:P-384$/);
  });

  it('are TLS 1.3 only for the modern profile', () => {
    expect(secureOptions({ profile: 'modern' })).toMatchObject({ minVersion: 'TLSv1.3' });
    expect(() => secureOptions({ profile: 'modern', minVersion: 'TLSv1.2' })).toThrow(/TLSv1\.3/);
  });

  it('take a chosen order of suites', () => {
    const ciphers = ['TLS_AES_256_GCM_SHA384', 'ECDHE-RSA-AES256-GCM-SHA384'];
    expect(secureOptions({ ciphers }).ciphers).toBe(ciphers.join(':'));
  });

  it.each([
    'AES128-SHA',
    'ECDHE-RSA-AES128-SHA',
    'DHE-RSA-AES128-GCM-SHA256',
    'DES-CBC3-SHA',
    'NULL',
    'HIGH',
    '@SECLEVEL=0',
    '',
  ])('refuse the suite %j and list the allowed ones', (cipher) => {
    expect(() => secureOptions({ ciphers: [...STRONG_CIPHERS, cipher] })).toThrow(
      expect.objectContaining({
        code: 'TLS_POLICY',
        message: expect.stringContaining(STRONG_CIPHERS.join(', ')) as string,
      }),
    );
  });

  it('refuse suites that leave an allowed version without any', () => {
    expect(() => secureOptions({ ciphers: TLS13_CIPHERS })).toThrow(/no suite for TLSv1\.2/);
    expect(() => secureOptions({ ciphers: TLS12_CIPHERS })).toThrow(/no suite for TLSv1\.3/);
    expect(secureOptions({ ciphers: TLS12_CIPHERS, maxVersion: 'TLSv1.2' }).ciphers).toBe(
      TLS12_CIPHERS.join(':'),
    );
  });

  it('refuse old versions, unknown groups and timeouts out of range', () => {
    const old = 'TLSv1.1' as 'TLSv1.2';
    expect(() => secureOptions({ minVersion: old })).toThrow(/TLSv1\.2, TLSv1\.3/);
    expect(() => secureOptions({ minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2' })).toThrow(/above/);
    expect(() => secureOptions({ profile: 'old' as 'modern' })).toThrow(/modern, intermediate/);
    expect(() => secureOptions({ groups: ['secp256k1'] })).toThrow(/X25519/);
    expect(() => secureOptions({ groups: [] })).toThrow(/empty/);
    expect(() => secureOptions({ sessionTimeout: 0 })).toThrow(/sessionTimeout/);
    expect(() => secureOptions({ sessionTimeout: 604_801 })).toThrow(/sessionTimeout/);
    expect(secureOptions({ groups: ['P-256'] }).ecdhCurve).toBe('P-256');
  });
});

describe('on the wire', () => {
  it.each([
    ['-tls1', 'TLS 1.0'],
    ['-tls1_1', 'TLS 1.1'],
  ])('%s is refused with the alert protocol_version', async (version) => {
    const { port, failures } = await serve();
    const view = await sClient(port, 'a', version, '-cipher', 'DEFAULT:@SECLEVEL=0');
    expect(view).toMatchObject({ completed: false, alert: 70 });
    expect(failures).toEqual(['protocolVersion']);
  });

  it.each([
    'AES128-SHA',
    'AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-SHA',
    'ECDHE-RSA-AES128-SHA256',
    'DHE-RSA-AES128-GCM-SHA256',
    'aNULL',
  ])('a client with only %s is refused', async (cipher) => {
    const { port, failures } = await serve();
    const view = await sClient(port, 'a', '-tls1_2', '-cipher', `${cipher}:@SECLEVEL=0`);
    expect(view).toMatchObject({ completed: false, alert: 40 });
    expect(failures).toEqual(['noSharedCipher']);
  });

  it.each(TLS12_CIPHERS)('a client with only %s is served', async (cipher) => {
    const { port } = await serve();
    expect(await sClient(port, 'a', '-tls1_2', '-cipher', cipher)).toMatchObject({ completed: true, cipher });
  });

  it('hazard: a name with RSA and ECDSA serves a TLS 1.2 client that has RSA suites only', async () => {
    const { port } = await serve();
    const view = await sClient(port, 'pair', '-tls1_2', '-cipher', 'ECDHE-RSA-AES128-GCM-SHA256');
    expect(view).toMatchObject({ completed: true, subject: 'pair-rsa' });
  });

  it('the server chooses the suite', async () => {
    const { port } = await serve();
    const backwards = TLS12_CIPHERS.toReversed()
      .filter((name) => !name.includes('CHACHA'))
      .join(':');
    expect(await sClient(port, 'a', '-tls1_2', '-cipher', backwards)).toMatchObject({
      cipher: TLS12_CIPHERS[0],
    });
  });

  it('TLS 1.3 is preferred, and all there is in the modern profile', async () => {
    expect(await sClient((await serve()).port, 'a')).toMatchObject({ version: 'TLSv1.3', completed: true });
    const modern = await serve({ profile: 'modern' });
    expect(await sClient(modern.port, 'a', '-tls1_2')).toMatchObject({ completed: false, alert: 70 });
    expect(modern.failures).toEqual(['protocolVersion']);
  });

  it('renegotiation and compression are refused', async () => {
    const { port } = await serve();
    const { text } = await sClient(port, 'a', '-tls1_2');
    expect(text).toContain('Compression: NONE');
    const server = open[0];
    const raw = tls.connect({
      port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      maxVersion: 'TLSv1.2',
      servername: 'a',
    });
    server?.removeAllListeners('secureConnection');
    const outcome = await new Promise<string>((resolve) => {
      raw.on('secureConnect', () =>
        raw.renegotiate({}, (error) => resolve(error === null ? 'renegotiated' : 'refused')),
      );
      raw.on('error', () => resolve('refused'));
      raw.on('close', () => resolve('refused'));
    });
    raw.destroy();
    expect(outcome).toBe('refused');
  });

  it('a client without a shared group is refused', async () => {
    const { port, failures } = await serve();
    expect(await sClient(port, 'a', '-tls1_3', '-groups', 'X448')).toMatchObject({ completed: false });
    expect(failures).toEqual(['noSharedGroup']);
  });
});
