import tls from 'node:tls';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { encodeProxyHeader } from '../src/proxy-protocol.ts';
import { Authority } from './support/certificates.ts';
import { RawClient } from './support/client.ts';
import { startPair, type ProxyOptions } from './support/proxy.ts';
import { turns, until } from './support/wait.ts';

const ends = { address: '192.0.2.7', port: 50_000, localAddress: '198.51.100.1', localPort: 443 };
const request = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

async function pair(options: Partial<ProxyOptions> = {}, h2c = false) {
  const { backend, proxy } = await startPair({}, options);
  const { port } = await proxy.engine.listen({ address: '127.0.0.1', proxyProtocol: true, h2c });
  const connect = async (): Promise<RawClient> => {
    const client = await RawClient.connect(port);
    onTestFinished(() => client.destroy());
    return client;
  };
  const requests = (): string => backend.text;
  return { proxy, port, connect, requests };
}

describe('a listener that expects a PROXY protocol header', () => {
  it.each(['v1', 'v2'] as const)(
    'takes the client from it: %s, in one piece with the request',
    async (version) => {
      const { connect, requests } = await pair();
      const client = await connect();
      client.write(Buffer.concat([encodeProxyHeader(version, ends), Buffer.from(request)]));
      await client.responses(1);
      expect(requests()).toContain('X-Forwarded-For: 192.0.2.7\r\n');
      expect(requests()).toContain('X-Forwarded-Port: 443\r\n');
      client.write(request);
      await client.responses(2);
    },
  );

  it.each(['v1', 'v2'] as const)('takes it byte by byte: %s', async (version) => {
    const { connect, requests } = await pair({}, true);
    const client = await connect();
    for (const byte of Buffer.concat([encodeProxyHeader(version, ends), Buffer.from(request)])) {
      client.write(Uint8Array.of(byte));
      await turns();
    }
    await client.responses(1);
    expect(requests()).toContain('X-Forwarded-For: 192.0.2.7\r\n');
  });

  it.each(['v1', 'v2'] as const)(
    'keeps the address of the socket where %s says nothing of a client',
    async (version) => {
      const { connect, requests } = await pair();
      const client = await connect();
      client.write(Buffer.concat([encodeProxyHeader(version, undefined), Buffer.from(request)]));
      await client.responses(1);
      expect(requests()).toContain('X-Forwarded-For: 127.0.0.1\r\n');
    },
  );

  it.each([
    ['without one', request],
    ['with a malformed one', 'PROXY TCP4 1.2.3.4 nobody 1 2\r\n'],
  ])('closes a connection %s, counts it and says so', async (_name, text) => {
    const { connect, proxy } = await pair();
    const client = await connect();
    client.write(text);
    await until(() => client.closed || client.ended);
    expect(client.text).toBe('');
    expect(proxy.count('proxyHeaderFailures')).toBe(1);
    expect(proxy.log.lines).toContainEqual(
      expect.objectContaining({ message: 'a PROXY protocol header was refused' }),
    );
  });

  it('closes a connection whose header is late, however slowly it comes (slowloris)', async () => {
    const { connect, proxy } = await pair({ timeouts: { header: 1_000 } });
    const client = await connect();
    for (let i = 0; i < 6 && !client.ended; i++) {
      client.write('PROXY '[i]!);
      await turns();
      await proxy.advance(200);
    }
    await until(() => client.closed || client.ended);
    expect(proxy.count('proxyHeaderFailures')).toBe(1);
  });

  it('says nothing of a connection that only looks whether the port is open', async () => {
    const { connect, proxy } = await pair();
    const client = await connect();
    client.half();
    await until(() => client.closed || client.ended);
    expect(proxy.count('proxyHeaderFailures')).toBe(0);
  });

  it('believes the forwarding fields of a client that is trusted, not those of the socket', async () => {
    const forwarded = request.replace('\r\n\r\n', '\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n');
    const { connect, requests } = await pair({ trustedProxies: ['127.0.0.1'] });
    const client = await connect();
    client.write(Buffer.concat([encodeProxyHeader('v2', ends), Buffer.from(forwarded)]));
    await client.responses(1);
    expect(requests()).toContain('X-Forwarded-For: 192.0.2.7\r\n');
    expect(requests()).not.toContain('203.0.113.9');
  });

  it('limits connections per address by it', async () => {
    const { connect } = await pair({ limits: { perAddress: 1 } });
    const first = await connect();
    first.write(Buffer.concat([encodeProxyHeader('v2', ends), Buffer.from(request)]));
    await first.responses(1);
    const second = await connect();
    second.write(encodeProxyHeader('v2', ends));
    await until(() => second.closed || second.ended);
    expect(second.text).toContain('503');
    const other = await connect();
    other.write(
      Buffer.concat([encodeProxyHeader('v1', { ...ends, address: '192.0.2.8' }), Buffer.from(request)]),
    );
    expect((await other.responses(1))[0]!.start).toContain('200');
  });

  it('counts connections before their header against the limit, and drops them at the end', async () => {
    const { connect, proxy } = await pair({ limits: { maxConnections: 1 } });
    const waiting = await connect();
    await turns();
    const second = await connect();
    await until(() => second.closed || second.ended);
    expect(proxy.count('connectionsRefused')).toBe(1);
    proxy.engine.close();
    await until(() => waiting.closed || waiting.ended);
  });
});

describe('a TLS listener that expects a PROXY protocol header', () => {
  const authority = new Authority();
  afterAll(() => authority.remove());
  const options = authority.issue(['a']);

  it.each([
    ['v1', 'together'],
    ['v1', 'apart'],
    ['v2', 'together'],
    ['v2', 'apart'],
  ] as const)('reads it before the handshake: %s, %s', async (version, how) => {
    const { backend, proxy } = await startPair({});
    const { port } = await proxy.engine.listen({
      address: '127.0.0.1',
      proxyProtocol: true,
      tls: { options },
    });
    const raw = await RawClient.connect(port);
    onTestFinished(() => raw.destroy());
    raw.socket.removeAllListeners('data');
    const header = encodeProxyHeader(version, ends);
    if (how === 'together') raw.socket.cork();
    raw.socket.write(header);
    if (how === 'apart') await turns();
    const secure = tls.connect({ socket: raw.socket, rejectUnauthorized: false });
    process.nextTick(() => raw.socket.uncork());
    const client = new RawClient(secure);
    client.write(request);
    expect((await client.responses(1))[0]!.start).toContain('200');
    expect(backend.text).toContain('X-Forwarded-For: 192.0.2.7\r\n');
    expect(backend.text).toContain('X-Forwarded-Proto: https\r\n');
    secure.destroy();
  });
});
