import {
  CertificateStore,
  TicketInstaller,
  TicketKeys,
  TlsServerBinding,
  loadCertificates,
  type TlsServerBindingOptions,
} from '@rp/tls';
import { createHash, randomBytes, randomFillSync } from 'node:crypto';
import http2 from 'node:http2';
import https from 'node:https';
import type net from 'node:net';
import tls from 'node:tls';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { ListenerPolicy } from '../src/index.ts';
import { ProxyFailure } from '../src/index.ts';
import { ok, type BackendScript, type Handler, type RecordingBackend } from './support/backend.ts';
import { Authority, type Pair } from './support/certificates.ts';
import { RawClient, status } from './support/client.ts';
import { field } from './support/message.ts';
import { startBackend, startProxy, type ProxyOptions, type TestProxy } from './support/proxy.ts';
import { turns, until } from './support/wait.ts';

const authority = new Authority();
afterAll(() => authority.remove());
const main = authority.issue(['app.example', '*.wild.example']);
const other = authority.issue(['other.example']);
const client = authority.issue(['a client'], 'clientAuth');

const storeOf = (...pairs: Pair[]): CertificateStore =>
  new CertificateStore(loadCertificates(pairs).certificates);

interface TlsPair {
  readonly proxy: TestProxy;
  readonly backend: RecordingBackend;
  readonly binding: TlsServerBinding;
  readonly port: number;
}

async function startTls(
  script: BackendScript | Handler = {},
  options: Partial<TlsServerBindingOptions> & {
    policy_?: ListenerPolicy;
    proxy?: Partial<ProxyOptions>;
  } = {},
): Promise<TlsPair> {
  const { policy_: policy, proxy: proxyOptions, ...more } = options;
  const backend = await startBackend(script);
  const proxy = await startProxy({ ...proxyOptions, backends: [backend.port] });
  const binding = new TlsServerBinding({
    store: storeOf(main, other),
    now: Date.now,
    alpnProtocols: ['h2', 'http/1.1'],
    ...more,
  });
  const { port } = await proxy.engine.listen({
    address: '127.0.0.1',
    tls: { options: binding.serverOptions(), onServer: (server) => binding.attach(server) },
    ...(policy === undefined ? {} : { policy }),
  });
  return { proxy, backend, binding, port };
}

const trusting = { ca: authority.cert, servername: 'app.example', host: '127.0.0.1' };

async function connect(
  port: number,
  options: tls.ConnectionOptions = {},
): Promise<RawClient & { socket: tls.TLSSocket }> {
  const socket = tls.connect({ ...trusting, port, ALPNProtocols: ['http/1.1'], ...options });
  onTestFinished(() => void socket.destroy());
  const raw = new RawClient(socket) as RawClient & { socket: tls.TLSSocket };
  await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
  return raw;
}

const request = 'GET / HTTP/1.1\r\nHost: app.example\r\n\r\n';

describe('HTTP/1 over TLS', () => {
  test('requests, keep-alive and bodies; X-Forwarded-Proto says https', async () => {
    const body = randomBytes(300_000);
    const { port, backend } = await startTls((got, connection) => connection.write(ok(got.body)));
    const raw = await connect(port);
    raw.write(
      Buffer.concat([
        Buffer.from(`POST / HTTP/1.1\r\nHost: app.example\r\nContent-Length: ${body.length}\r\n\r\n`),
        body,
      ]),
    );
    expect((await raw.response('POST')).body.equals(body)).toBe(true);
    raw.write(request);
    expect((await raw.responses(2)).map(status)).toEqual([200, 200]);
    expect(field(backend.requests[0]!, 'x-forwarded-proto')).toBe('https');
    expect(raw.socket.alpnProtocol).toBe('http/1.1');
  });

  test('node:https downloads 16 MiB unchanged', async () => {
    const body = randomBytes(16 * 1024 * 1024);
    const { port } = await startTls((_, connection) => connection.write(ok(body)));
    const sum = await new Promise<string>((resolve, reject) => {
      https
        .get({ ...trusting, port, path: '/' }, (response) => {
          const hash = createHash('md5');
          response
            .on('data', (chunk: Buffer) => hash.update(chunk))
            .on('end', () => resolve(hash.digest('hex')));
        })
        .on('error', reject);
    });
    expect(sum).toBe(createHash('md5').update(body).digest('hex'));
  });

  test('a client that pipelines and reads late gets every answer', async () => {
    const { port, proxy } = await startTls((_, connection) => connection.write(ok('a'.repeat(3_000))));
    const raw = await connect(port);
    raw.socket.pause();
    raw.write(request.repeat(3_999) + request.replace('Host', 'Connection: close\r\nHost'));
    // Until the client takes no more, and nothing moves.
    for (let before = -1; proxy.count('requests') !== before; await turns(100)) {
      before = proxy.count('requests');
    }
    expect(proxy.count('requests')).toBeLessThan(4_000);
    raw.socket.resume();
    await raw.gone();
    const answers = raw.text.split('HTTP/1.1 200 OK\r\n').slice(1);
    expect(answers).toHaveLength(4_000);
    expect(answers.every((answer) => answer.endsWith(`\r\n\r\n${'a'.repeat(3_000)}`))).toBe(true);
  });

  test('a client that leaves in the middle cancels the backend’s work', async () => {
    const { port, backend, proxy } = await startTls({ onHead: () => {} });
    const raw = await connect(port);
    raw.write(request);
    await until(() => backend.connections.length === 1);
    raw.destroy();
    // An end of stream alone does not say that the client is gone: it gets a moment.
    await turns(20);
    await proxy.advance(450);
    await proxy.advance(450);
    await until(() => backend.open === 0);
  });

  test('a close-delimited response to HTTP/1.0 that breaks off is cut without a goodbye', async () => {
    const { port, backend } = await startTls((_, connection) =>
      connection.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n'),
    );
    const raw = await connect(port);
    raw.write('GET / HTTP/1.0\r\nHost: app.example\r\n\r\n');
    await raw.receives('abc');
    backend.connections[0]!.reset();
    await raw.gone();
  });

  test('WebSocket through an upgrade', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    onTestFinished(() => server.close());
    server.on('connection', (peer) => peer.on('message', (bytes, binary) => peer.send(bytes, { binary })));
    await until(() => server.address() !== null);
    const { port: backendPort } = server.address() as net.AddressInfo;
    const proxy = await startProxy({ backends: [backendPort] });
    const binding = new TlsServerBinding({ store: storeOf(main), now: Date.now });
    const { port } = await proxy.engine.listen({
      address: '127.0.0.1',
      tls: { options: binding.serverOptions() },
    });
    const options = { ca: authority.cert, servername: 'app.example' };
    const socket = new WebSocket(`wss://127.0.0.1:${port}/echo`, options);
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    const sent = randomBytes(1_000_000);
    const echoed = new Promise<Buffer>((resolve) =>
      socket.once('message', (bytes) => resolve(bytes as Buffer)),
    );
    socket.send(sent);
    expect((await echoed).equals(sent)).toBe(true);
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    socket.close(4002);
    expect(await closed).toBe(4002);
  });
});

describe('HTTP/2 over TLS', () => {
  test('ALPN chooses; node:http2 posts and gets 4 MiB on several streams', async () => {
    const body = randomBytes(4 * 1024 * 1024);
    const { port, backend } = await startTls((got, connection) => connection.write(ok(got.body)));
    const session = http2.connect(`https://app.example:${port}`, {
      ...trusting,
      maxSessionMemory: 1000,
      lookup: (_h, _o, done) => done(null, [{ address: '127.0.0.1', family: 4 }] as never, 4),
    });
    onTestFinished(() => session.destroy());
    const echo = (): Promise<Buffer> =>
      new Promise((resolve, reject) => {
        const stream = session.request({ ':method': 'POST', ':path': '/echo' });
        const chunks: Buffer[] = [];
        stream
          .on('data', (chunk: Buffer) => chunks.push(chunk))
          .on('end', () => resolve(Buffer.concat(chunks)))
          .on('error', reject);
        stream.end(body);
      });
    for (const got of await Promise.all([echo(), echo(), echo()])) expect(got.equals(body)).toBe(true);
    expect(session.alpnProtocol).toBe('h2');
    expect(field(backend.requests[0]!, 'x-forwarded-proto')).toBe('https');
    expect(field(backend.requests[0]!, 'via')).toBe('2.0 rp');
  });
});

describe('handshakes', () => {
  test('SNI chooses the certificate: exact, wildcard, default', async () => {
    const { port } = await startTls();
    const shown = async (servername: string): Promise<string | string[] | undefined> => {
      const raw = await connect(port, { servername, checkServerIdentity: () => undefined });
      return raw.socket.getPeerCertificate().subject.CN;
    };
    expect(await shown('other.example')).toBe('other.example');
    expect(await shown('a.wild.example')).toBe('app.example');
    expect(await shown('nobody.example')).toBe('app.example');
  });

  test('strictSni refuses names without a certificate', async () => {
    const { port, proxy } = await startTls({}, { strictSni: true });
    await expect(connect(port, { servername: 'nobody.example' })).rejects.toThrow(
      /unrecognized name|socket disconnected|ECONNRESET/,
    );
    await until(() => proxy.count('handshakeFailures') === 1);
  });

  test('new connections get a new certificate, open ones go on', async () => {
    const { port, binding } = await startTls();
    const before = await connect(port);
    binding.update(storeOf(authority.issue(['app.example', 'new.example'])));
    const after = await connect(port);
    expect(after.socket.getPeerCertificate().subjectaltname).toContain('new.example');
    before.write(request);
    expect(status(await before.response())).toBe(200);
  });

  test('sessions resume, also at another listener with the same ticket keys', async () => {
    const keys = new TicketKeys({ randomFill: randomFillSync, now: Date.now });
    const one = await startTls({}, { tickets: new TicketInstaller(keys.set, randomFillSync) });
    const two = await startTls({}, { tickets: new TicketInstaller(keys.set, randomFillSync) });
    const first = await connect(one.port);
    const session = await new Promise<Buffer>((resolve) => first.socket.once('session', resolve));
    const second = await connect(two.port, { session });
    expect(second.socket.isSessionReused()).toBe(true);
    second.write(request);
    expect(status(await second.response())).toBe(200);
  });

  test('plain HTTP, rubbish and TLS 1.1 fail their handshake and are counted', async () => {
    const { port, proxy } = await startTls();
    const plain = await RawClient.connect(port);
    plain.write(request);
    await plain.gone();
    plain.destroy();
    await expect(
      connect(port, { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
    ).rejects.toThrow(/version|alert|no protocols|ECONNRESET|disconnected/i);
    await until(() => proxy.count('handshakeFailures') === 2);
    expect(status(await (await connect(port).then((raw) => (raw.write(request), raw))).response())).toBe(200);
  });

  test('connections in their handshake count against the limit, and end with the engine', async () => {
    const { port, proxy } = await startTls({}, { proxy: { limits: { maxConnections: 2 } } });
    const silent = [await RawClient.connect(port), await RawClient.connect(port)];
    await turns(10);
    const third = await RawClient.connect(port);
    await third.gone();
    expect(proxy.count('connectionsRefused')).toBe(1);
    proxy.engine.close();
    for (const one of silent) await one.gone();
    third.destroy();
  });

  test('client certificates: required ones are required', async () => {
    const { port } = await startTls({}, { clientAuth: { mode: 'required', authorities: authority.cert } });
    const raw = await connect(port, client);
    raw.write(request);
    expect(status(await raw.response())).toBe(200);
    // In TLS 1.3 the client learns of its refusal with the first read.
    const without = await connect(port);
    without.write(request);
    await without.gone();
    expect(without.text).toBe('');
  });
});

describe('the listener’s policy', () => {
  const policy: ListenerPolicy = {
    identify: (socket) => ['X-Client', String(socket.getPeerCertificate().subject?.CN)],
    admit: (head, identity) => {
      if (head.path === '/moved') return { status: 308, fields: ['Location', 'https://app.example/'] };
      if (head.path === '/elsewhere') return new ProxyFailure('MISDIRECTED', 'test');
      head.fields = [...head.fields, ...identity];
      head.ids = [...head.ids, 0];
      return undefined;
    },
    responseFields: () => ['Strict-Transport-Security', 'max-age=60'],
  };

  test.each(['h2', 'http/1.1'])(
    '%s: identity, answers of its own, and fields on every response',
    async (protocol) => {
      const { port, backend } = await startTls(
        {},
        { policy_: policy, clientAuth: { mode: 'required', authorities: authority.cert } },
      );
      const ask = async (path: string): Promise<{ status: number; hsts: string | undefined }> => {
        if (protocol === 'http/1.1') {
          const raw = await connect(port, client);
          raw.write(`GET ${path} HTTP/1.1\r\nHost: app.example\r\n\r\n`);
          const response = await raw.response();
          return { status: status(response), hsts: field(response, 'strict-transport-security') };
        }
        const socket = tls.connect({ ...trusting, ...client, port, ALPNProtocols: ['h2'] });
        const session = http2.connect('https://app.example', { createConnection: () => socket });
        onTestFinished(() => session.destroy());
        const stream = session.request({ ':path': path });
        const headers = await new Promise<http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader>(
          (resolve, reject) => stream.once('response', resolve).once('error', reject),
        );
        return { status: headers[':status']!, hsts: headers['strict-transport-security'] };
      };
      expect(await ask('/')).toEqual({ status: 200, hsts: 'max-age=60' });
      expect(field(backend.requests[0]!, 'x-client')).toBe('a client');
      expect(await ask('/moved')).toEqual({ status: 308, hsts: 'max-age=60' });
      expect(await ask('/elsewhere')).toEqual({ status: 421, hsts: 'max-age=60' });
      expect(backend.requests).toHaveLength(1);
    },
  );
});
