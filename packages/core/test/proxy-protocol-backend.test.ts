import net from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { decodeProxyHeader, type ConnectionEnds } from '../src/proxy-protocol.ts';
import { RawClient } from './support/client.ts';
import { startProxy, type ProxyOptions } from './support/proxy.ts';
import { until } from './support/wait.ts';

const request = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

/** A backend that keeps every byte, and answers one request after the PROXY protocol header. */
class HeaderBackend {
  readonly received: Buffer[] = [];
  readonly #server: net.Server = net.createServer((socket) => this.#accepted(socket));
  port = 0;

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await until(() => this.#server.listening);
    this.port = (this.#server.address() as net.AddressInfo).port;
    onTestFinished(() => void this.#server.close());
    return this;
  }

  header(at: number): ConnectionEnds | undefined {
    const header = decodeProxyHeader(this.received[at] ?? Buffer.alloc(0));
    if (header.kind !== 'complete') throw new Error(header.kind);
    return header.ends;
  }

  requests(at: number): string {
    const bytes = this.received[at] ?? Buffer.alloc(0);
    const header = decodeProxyHeader(bytes);
    return header.kind === 'complete' ? bytes.toString('latin1', header.length) : '';
  }

  #accepted(socket: net.Socket): void {
    const at = this.received.push(Buffer.alloc(0)) - 1;
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      this.received[at] = Buffer.concat([this.received[at]!, chunk]);
      if (!this.requests(at).includes('\r\n\r\n')) return;
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
  }
}

async function pair(proxyProtocol: 'v1' | 'v2', options: Partial<ProxyOptions> = {}) {
  const backend = await new HeaderBackend().start();
  const proxy = await startProxy({ ...options, backends: [backend.port], proxyProtocol });
  const connect = async (): Promise<RawClient> => {
    const client = await RawClient.connect(proxy.port);
    onTestFinished(() => client.destroy());
    return client;
  };
  return { backend, proxy, connect };
}

describe.each(['v1', 'v2'] as const)('an upstream that is sent PROXY protocol headers: %s', (version) => {
  it('gets the client as the first bytes of each connection, and each connection once', async () => {
    const { backend, proxy, connect } = await pair(version);
    const client = await connect();
    const { localPort } = client.socket;
    const ends = { address: '127.0.0.1', port: localPort, localAddress: '127.0.0.1', localPort: proxy.port };
    for (let i = 0; i < 3; i++) {
      client.write(request);
      await client.responses(i + 1);
      expect(backend.header(i)).toEqual(ends);
      expect(backend.requests(i)).toMatch(/^GET \/ HTTP\/1\.1\r\n/);
      expect(backend.requests(i).match(/GET /g)).toHaveLength(1);
    }
    expect(backend.received).toHaveLength(3);
    await until(() => proxy.backendConnections === 0);
  });

  it('never gets two clients on one connection', async () => {
    const { backend, connect } = await pair(version, { pool: { maxConnections: 1 } });
    const clients = await Promise.all(Array.from({ length: 5 }, connect));
    for (const client of clients) client.write(request);
    for (const client of clients) expect((await client.responses(1))[0]!.start).toContain('200');
    const ports = clients.map((_client, at) => backend.header(at)!.port);
    expect(ports.toSorted()).toEqual(clients.map((client) => client.socket.localPort!).toSorted());
  });

  it('gets a body after it, in one piece', async () => {
    const { backend, connect } = await pair(version);
    const client = await connect();
    client.write('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody');
    expect((await client.responses(1))[0]!.start).toContain('200');
    expect(backend.requests(0)).toMatch(/^PUT .*\r\n\r\nbody$/s);
  });
});
