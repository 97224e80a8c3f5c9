import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import {
  CertificateStore,
  HANDSHAKE_COUNTERS,
  HANDSHAKE_COUNTER_BYTES,
  HANDSHAKE_FAILURES,
  HandshakeCounters,
  HandshakeLimiter,
  TlsServerBinding,
  type TlsServerBindingOptions,
  guardHandshakes,
  handshakeFailure,
  loadCertificate,
} from '@rp/tls';
import { Authority } from './support/authority.ts';
import { close, connect, listen } from './support/wire.ts';

const authority = new Authority();
afterAll(() => authority.close());
const store = new CertificateStore([loadCertificate(authority.issue('a.example'))]);
const open: tls.Server[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await close(server);
});

async function serve(options: Partial<TlsServerBindingOptions> = {}, limiter?: HandshakeLimiter) {
  const binding = new TlsServerBinding({ store, now: Date.now, ...options });
  const server = tls.createServer(binding.serverOptions());
  const counters = new HandshakeCounters();
  guardHandshakes(server, limiter === undefined ? { counters } : { counters, limiter });
  binding.attach(server);
  open.push(server);
  return { port: await listen(server), counters };
}

/** Counters that are not zero. */
function counted(counters: HandshakeCounters): Record<string, number> {
  return Object.fromEntries(Object.entries(counters.toJSON()).filter(([, value]) => value !== 0));
}

describe('counters', () => {
  it('count handshakes, resumptions, versions and suites', async () => {
    const { port, counters } = await serve();
    const { session } = await connect(port);
    await connect(port, { session });
    await connect(port, { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' });
    expect(counted(counters)).toEqual({
      'handshakes.started': 3,
      'handshakes.completed': 3,
      'handshakes.resumed': 1,
      'versions.TLSv1.2': 1,
      'versions.TLSv1.3': 2,
      'suites.TLS_AES_128_GCM_SHA256': 2,
      'suites.ECDHE-ECDSA-AES256-GCM-SHA384': 1,
    });
  });

  it('count failures by reason', async () => {
    const { port, counters } = await serve({ strictSni: true });
    await connect(port, { servername: 'b.example' }).catch(() => undefined);
    await connect(port, { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' }).catch(
      () => undefined,
    );
    await connect(port, { maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA:@SECLEVEL=0' }).catch(() => undefined);
    await connect(port, { rejectUnauthorized: true }).catch(() => undefined);
    await plain(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await plain(port, 'SSH-2.0-OpenSSH_9.2\r\n');
    await expect.poll(() => counters.get('handshakes.failed') + counters.get('handshakes.completed')).toBe(6);
    expect(counted(counters)).toMatchObject({
      'handshakes.started': 6,
      'failures.unrecognizedName': 1,
      'failures.protocolVersion': 1,
      'failures.noSharedCipher': 1,
      'failures.plainHttp': 1,
      'failures.notTls': 1,
    });
  });

  it('live in memory that another thread can read', () => {
    const memory = new SharedArrayBuffer(HANDSHAKE_COUNTER_BYTES * 2);
    const writer = new HandshakeCounters(memory, HANDSHAKE_COUNTER_BYTES);
    writer.completed('TLSv1.3', 'TLS_AES_128_GCM_SHA256', true, true);
    const reader = new HandshakeCounters(memory, HANDSHAKE_COUNTER_BYTES);
    expect(reader.get('handshakes.clientCertificates')).toBe(1);
    expect(counted(new HandshakeCounters(memory, 0))).toEqual({});
  });

  it('put what they do not know under other', () => {
    const counters = new HandshakeCounters();
    counters.completed('TLSv9', 'ROT13', false, false);
    expect(counted(counters)).toEqual({ 'handshakes.completed': 1, 'versions.other': 1, 'suites.other': 1 });
    expect(counters.get('nothing')).toBe(0);
  });

  it('refuse a region that is too small or not aligned', () => {
    expect(() => new HandshakeCounters(new SharedArrayBuffer(HANDSHAKE_COUNTER_BYTES - 8))).toThrow(/bytes/);
    expect(() => new HandshakeCounters(new SharedArrayBuffer(HANDSHAKE_COUNTER_BYTES + 8), 4)).toThrow(
      /aligned/,
    );
  });

  it('have unique names', () => {
    expect(new Set(HANDSHAKE_COUNTERS).size).toBe(HANDSHAKE_COUNTERS.length);
  });
});

describe('reasons', () => {
  it('come from codes', () => {
    const reason = (code: string): string => handshakeFailure(Object.assign(new Error('x'), { code }));
    expect(reason('ERR_TLS_HANDSHAKE_TIMEOUT')).toBe('timeout');
    expect(reason('ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN')).toBe('clientRefusedCertificate');
    expect(reason('ERR_SSL_TLSV1_ALERT_UNKNOWN_CA')).toBe('clientRefusedCertificate');
    expect(reason('ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR')).toBe('clientAlert');
    expect(reason('ERR_SOMETHING')).toBe('other');
    expect(handshakeFailure(new Error('x'))).toBe('other');
    expect(handshakeFailure('x')).toBe('other');
  });

  it('are all counted under their own names', () => {
    const counters = new HandshakeCounters();
    for (const reason of HANDSHAKE_FAILURES) counters.failed(reason);
    for (const reason of HANDSHAKE_FAILURES) expect(counters.get(`failures.${reason}`)).toBe(1);
  });
});

describe('limits', () => {
  it('let a burst through, then the rate', () => {
    let now = 0;
    const limiter = new HandshakeLimiter({ rate: 10, burst: 3, now: () => now });
    const taken = (): number => Array.from({ length: 20 }, () => limiter.tryTake()).filter(Boolean).length;
    expect(taken()).toBe(3);
    now = 99;
    expect(taken()).toBe(0);
    now = 100;
    expect(taken()).toBe(1);
    now = 1000;
    expect(taken()).toBe(3);
    now = 500;
    expect(taken()).toBe(0);
  });

  it('refuse rates that are no rates', () => {
    for (const rate of [0, -1, NaN, Infinity])
      expect(() => new HandshakeLimiter({ rate, now: () => 0 })).toThrow(/rate/);
    expect(() => new HandshakeLimiter({ rate: 1, burst: 0, now: () => 0 })).toThrow(/burst/);
  });

  it('cut off a flood and leave the others', async () => {
    let now = 0;
    const { port, counters } = await serve({}, new HandshakeLimiter({ rate: 1, burst: 2, now: () => now }));
    const outcomes: string[] = [];
    for (let i = 0; i < 4; i += 1)
      outcomes.push(
        await connect(port).then(
          ({ text }) => text,
          () => '',
        ),
      );
    expect(outcomes).toEqual(['hello\n', 'hello\n', '', '']);
    expect(counted(counters)).toMatchObject({ 'handshakes.completed': 2, 'failures.rateLimited': 2 });
    now = 1000;
    expect((await connect(port)).text).toBe('hello\n');
  });

  it('cut a handshake that stalls', async () => {
    const { port, counters } = await serve({ handshakeTimeout: 100 });
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    await once(socket, 'close');
    await expect.poll(() => counted(counters)).toMatchObject({ 'failures.timeout': 1 });
  });

  it('cut a handshake that trickles: the limit is for all of it, not for a pause', async () => {
    const { port, counters } = await serve({ handshakeTimeout: 150 });
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03]));
    const trickle = setInterval(() => socket.write(Buffer.from([0])), 20);
    await once(socket, 'close');
    clearInterval(trickle);
    expect(counted(counters)).toMatchObject({ 'failures.timeout': 1 });
  });

  it('default to ten seconds for a handshake', () => {
    expect(new TlsServerBinding({ store, now: Date.now }).serverOptions().handshakeTimeout).toBe(10_000);
  });
});

async function plain(port: number, text: string): Promise<void> {
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.resume();
  socket.write(text);
  await once(socket, 'close');
}
