import tls from 'node:tls';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import {
  type Certificate,
  CertificateStore,
  type CertificateStoreOptions,
  TlsServerBinding,
  type TlsServerBindingOptions,
  loadCertificate,
} from '@rp/tls';
import { Authority, type IssueOptions, inDays } from './support/authority.ts';
import { close, listen, sClient } from './support/wire.ts';

const authority = new Authority();
afterAll(() => authority.close());
const open: tls.Server[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await close(server);
});

function certificate(name: string, options: IssueOptions = {}): Certificate {
  return loadCertificate(authority.issue(name, options));
}

async function serve(
  certificates: readonly Certificate[],
  options: Partial<TlsServerBindingOptions> & CertificateStoreOptions = {},
) {
  const store = new CertificateStore(certificates, options);
  const binding = new TlsServerBinding({ store, now: Date.now, ...options });
  const server = tls.createServer(binding.serverOptions());
  const errors: unknown[] = [];
  server.on('tlsClientError', (error) => errors.push(error));
  binding.attach(server);
  open.push(server);
  return { port: await listen(server), binding, errors };
}

const fallback = certificate('default.example', { key: 'ec' });
const exact = certificate('a.example.com', { key: 'ec' });
const wildcard = certificate('wild', { san: 'DNS:*.example.com', key: 'ec' });
const rsaOnly = certificate('rsa.example', { key: 'rsa' });
const VERSIONS = ['-tls1_3', '-tls1_2'] as const;

describe.each(VERSIONS)('server names over %s', (version) => {
  it('shows the certificate of the exact name, then of the wildcard, then the default', async () => {
    const { port } = await serve([fallback, exact, wildcard]);
    const subject = async (name?: string) => (await sClient(port, name, version)).subject;
    expect(await subject('a.example.com')).toBe('a.example.com');
    expect(await subject('A.Example.COM')).toBe('a.example.com');
    expect(await subject('b.example.com')).toBe('wild');
    expect(await subject('x.b.example.com')).toBe('default.example');
    expect(await subject('other.example')).toBe('default.example');
    expect(await subject()).toBe('default.example');
  });

  it('chooses only where there is a choice: after an update too, and not any more after another', async () => {
    const pair = [certificate('two.example', { key: 'rsa' }), certificate('two.example', { key: 'ec' })];
    const { port, binding } = await serve(pair);
    const subject = async (store: CertificateStore, name: string): Promise<[string | undefined, number]> => {
      const select = vi.spyOn(store, 'select');
      binding.update(store);
      return [(await sClient(port, name, version)).subject, select.mock.calls.length];
    };
    expect(await subject(new CertificateStore(pair), 'two.example')).toEqual(['two.example', 0]);
    expect(await subject(new CertificateStore([fallback]), 'other.example')).toEqual(['default.example', 0]);
    const several = new CertificateStore([fallback, exact]);
    expect(await subject(several, 'a.example.com')).toEqual(['a.example.com', 1]);
    expect(await subject(new CertificateStore([exact]), 'a.example.com')).toEqual(['a.example.com', 0]);
  });

  it('sends the chain', async () => {
    const { port } = await serve([fallback, exact]);
    const { text } = await sClient(port, 'a.example.com', version, '-showcerts');
    expect(text.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
  });

  it('strictSni refuses an unknown name with the alert unrecognized_name', async () => {
    const { port, errors } = await serve([fallback], { strictSni: true });
    const view = await sClient(port, 'other.example', version);
    expect(view).toMatchObject({ alert: 112, completed: false, subject: undefined });
    expect(errors).toMatchObject([{ code: 'TLS_UNRECOGNIZED_NAME', source: 'client' }]);
    expect(await sClient(port, 'default.example', version)).toMatchObject({ completed: true });
    expect(await sClient(port, undefined, version)).toMatchObject({
      completed: true,
      subject: 'default.example',
    });
  });

  it('hazard: an ECDSA default never answers for a name that has only RSA', async () => {
    const { port } = await serve([fallback, rsaOnly]);
    expect(await sClient(port, 'rsa.example', version)).toMatchObject({
      subject: 'rsa.example',
      completed: true,
    });
    const ecdsaOnly = await sClient(port, 'rsa.example', version, '-sigalgs', 'ECDSA+SHA256');
    expect(ecdsaOnly).toMatchObject({ completed: false, subject: undefined });
  });

  it('hazard: an RSA default does not answer for a name that has only ECDSA', async () => {
    const { port } = await serve([rsaOnly, exact]);
    const preferring = await sClient(
      port,
      'a.example.com',
      version,
      '-sigalgs',
      'RSA-PSS+SHA256:ECDSA+SHA256',
    );
    expect(preferring).toMatchObject({ subject: 'a.example.com', completed: true });
  });

  it('shows the certificate that the client can verify where a name has RSA and ECDSA', async () => {
    const pair = [
      certificate('pair-rsa', { san: 'DNS:pair.example', key: 'rsa' }),
      certificate('pair-ec', { san: 'DNS:pair.example', key: 'ec' }),
    ];
    for (const certificates of [
      [fallback, ...pair],
      [...pair, fallback],
      [rsaOnly, ...pair.toReversed()],
    ]) {
      const { port } = await serve(certificates);
      const ecdsa = await sClient(port, 'pair.example', version, '-sigalgs', 'ECDSA+SHA256');
      expect(ecdsa).toMatchObject({ subject: 'pair-ec', completed: true });
      const any = await sClient(port, 'pair.example', '-tls1_3');
      expect(any).toMatchObject({ subject: 'pair-ec', completed: true });
      const rsa = await sClient(port, 'pair.example', version, '-sigalgs', 'RSA-PSS+SHA256');
      expect(rsa).toMatchObject({ subject: 'pair-rsa', completed: true });
    }
  });

  it('shows both kinds of the default certificate without a name', async () => {
    const pair = [
      certificate('d-rsa', { san: 'DNS:d', key: 'rsa' }),
      certificate('d-ec', { san: 'DNS:d', key: 'ec' }),
    ];
    const { port } = await serve(pair);
    expect(await sClient(port, undefined, version)).toMatchObject({ subject: 'd-ec' });
    expect(await sClient(port, undefined, version, '-sigalgs', 'RSA-PSS+SHA256')).toMatchObject({
      subject: 'd-rsa',
    });
  });

  it('serves Ed25519 for a name', async () => {
    const { port } = await serve([fallback, certificate('ed.example', { key: 'ed25519' })]);
    const view = await sClient(port, 'ed.example', version, '-sigalgs', 'ed25519');
    expect(view).toMatchObject({ subject: 'ed.example', completed: true });
  });

  it('refuses an expired certificate rather than serve it or another name', async () => {
    let now = Date.now();
    const short = certificate('short.example', { days: 10 });
    const { port, errors, binding } = await serve([fallback, short], { now: () => now });
    expect(await sClient(port, 'short.example', version)).toMatchObject({ completed: true });
    now = inDays(11);
    expect(await sClient(port, 'short.example', version)).toMatchObject({
      completed: false,
      subject: undefined,
    });
    expect(errors).toMatchObject([{ code: 'TLS_CERTIFICATE_EXPIRED', source: 'proxy' }]);
    expect(await sClient(port, undefined, version)).toMatchObject({ subject: 'default.example' });
    now = inDays(91);
    binding.refresh();
    expect(await sClient(port, undefined, version)).toMatchObject({ completed: false, subject: undefined });
  });
});

it('an expired default gives way to the other kind of key', async () => {
  let now = Date.now();
  const short = certificate('d-ec', { san: 'DNS:d', days: 10 });
  const long = certificate('d-rsa', { san: 'DNS:d', key: 'rsa' });
  const { port, binding } = await serve([short, long], { now: () => now });
  expect(await sClient(port, undefined)).toMatchObject({ subject: 'd-ec' });
  now = inDays(11);
  binding.refresh();
  expect(await sClient(port, undefined)).toMatchObject({ subject: 'd-rsa' });
});

it('serves one Ed25519 certificate as the default', async () => {
  const { port } = await serve([certificate('ed.example', { key: 'ed25519' })]);
  expect(await sClient(port, undefined)).toMatchObject({ subject: 'ed.example', completed: true });
});

it('swaps certificates for new connections, and keeps the old store if the new one is refused', async () => {
  const { port, binding } = await serve([fallback]);
  binding.update(new CertificateStore([exact]));
  expect(await sClient(port, undefined)).toMatchObject({ subject: 'a.example.com' });
  const before = binding.store;
  expect(() => binding.update(new CertificateStore([]))).toThrow(
    expect.objectContaining({ code: 'TLS_NO_CERTIFICATE' }),
  );
  expect(binding.store).toBe(before);
  expect(await sClient(port, 'a.example.com')).toMatchObject({ subject: 'a.example.com' });
});

it('refuses to start without a certificate, and with a handshake timeout out of range', () => {
  const store = new CertificateStore([]);
  expect(() => new TlsServerBinding({ store, now: Date.now })).toThrow(
    expect.objectContaining({ code: 'TLS_NO_CERTIFICATE' }),
  );
  const one = new CertificateStore([exact]);
  expect(() => new TlsServerBinding({ store: one, now: Date.now, handshakeTimeout: 5 })).toThrow(
    /handshakeTimeout/,
  );
});
