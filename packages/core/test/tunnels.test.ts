import { describe, expect, it } from 'vitest';
import { ok, type BackendSocket } from './support/backend.ts';
import { ask, RawClient, status } from './support/client.ts';
import { field } from './support/message.ts';
import { startPair, type ProxyOptions, type TestProxy } from './support/proxy.ts';
import { turns, until } from './support/wait.ts';

const upgrade =
  'GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n';
const switching =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\n';

interface Open {
  readonly proxy: TestProxy;
  readonly client: RawClient;
  readonly server: BackendSocket;
}

async function openTunnel(options: Partial<ProxyOptions> = {}): Promise<Open> {
  const { backend, proxy } = await startPair((_request, connection) => connection.write(switching), options);
  const client = await RawClient.connect(proxy.port);
  client.write(upgrade);
  await client.receives('\r\n\r\n');
  return { proxy, client, server: backend.connections[0]! };
}

describe('upgrade', () => {
  it('the request carries it, the 101 comes back, and bytes pass both ways', async () => {
    const { proxy, client, server } = await openTunnel();
    expect(client.text).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/);
    expect(client.text).toMatch(/Connection: upgrade\r\nUpgrade: websocket\r\n/i);
    expect(server.text).toMatch(/Connection: upgrade\r\nUpgrade: websocket\r\n/i);
    expect(proxy.count('tunnelsNow')).toBe(1);
    expect(proxy.count('state.tunnellingNow')).toBe(1);
    for (let i = 0; i < 3; i++) {
      client.write(`ping${i}\0\r\n`);
      await until(() => server.text.endsWith(`ping${i}\0\r\n`));
      server.write(`pong${i}\xff`);
      await client.receives(`pong${i}\xff`);
    }
    client.destroy();
    await until(() => server.closed);
    await proxy.quiet();
    expect(proxy.count('tunnelsNow')).toBe(0);
    expect(proxy.backendConnections).toBe(0);
  });

  it('early bytes of the client wait for the 101', async () => {
    const { backend, proxy } = await startPair({ onHead: () => {} });
    const client = await RawClient.connect(proxy.port);
    client.write(`${upgrade}early`);
    await backend.received(1);
    await turns(20);
    expect(backend.text).not.toContain('early');
    backend.connections[0]!.write(switching);
    await until(() => backend.text.endsWith('early'));
    client.destroy();
  });

  it('bytes of the backend right behind its 101 are passed on', async () => {
    const { proxy } = await startPair((_request, connection) => connection.write(`${switching}hello`));
    const client = await RawClient.connect(proxy.port);
    client.write(upgrade);
    await client.receives('\r\n\r\nhello');
    client.destroy();
  });

  it('a refusal is a normal response, and what came early is the next request', async () => {
    const { backend, proxy } = await startPair((request, connection) => connection.write(ok(request.start)));
    const client = await RawClient.connect(proxy.port);
    client.write(`${upgrade}GET /next HTTP/1.1\r\nHost: a\r\n\r\n`);
    const responses = await client.responses(2);
    expect(responses.map(({ body }) => body.toString())).toEqual([
      'GET /chat HTTP/1.1',
      'GET /next HTTP/1.1',
    ]);
    expect(backend.connections).toHaveLength(1);
    client.destroy();
  });

  it('h2c and HTTP2-Settings are never forwarded', async () => {
    const { backend, proxy } = await startPair();
    const request =
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n';
    expect(status(await ask(proxy.port, request))).toBe(200);
    expect(backend.text).not.toMatch(/h2c|http2-settings|upgrade/i);
  });

  it('h2c beside another protocol leaves the other', async () => {
    const { backend, proxy } = await startPair();
    await ask(
      proxy.port,
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c, websocket\r\n\r\n',
    );
    expect(field(backend.requests[0]!, 'upgrade')).toBe('websocket');
  });

  it('Upgrade that Connection does not name, or of HTTP/1.0, is dropped', async () => {
    const { backend, proxy } = await startPair();
    await ask(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n');
    await ask(proxy.port, 'GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
    expect(backend.requests).toHaveLength(2);
    expect(backend.text).not.toContain('websocket');
  });

  it.each(['foo', 'websocket, foo', 'h2c'])(
    'a 101 to a protocol that the client did not name (%s) is refused',
    async (chosen) => {
      const { backend, proxy } = await startPair((_request, connection) =>
        connection.write(
          `HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: ${chosen}\r\n\r\nhello`,
        ),
      );
      expect(status(await ask(proxy.port, upgrade))).toBe(502);
      await until(() => backend.connections[0]!.closed);
    },
  );

  it('a 101 to one of several protocols, in any case, opens a tunnel', async () => {
    const { proxy } = await startPair((_request, connection) =>
      connection.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\r\nhello',
      ),
    );
    const client = await RawClient.connect(proxy.port);
    client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: foo/2, websocket\r\n\r\n');
    await client.receives('hello');
    client.destroy();
  });

  it('a 101 before the request was read is refused', async () => {
    const { proxy } = await startPair({ onHead: (_head, connection) => connection.write(switching) });
    const client = await RawClient.connect(proxy.port);
    client.write(
      'POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 10\r\n\r\nabc',
    );
    expect(status(await client.response())).toBe(502);
    client.destroy();
  });
});

describe('a tunnel', () => {
  it('passes an end of stream on, and the other direction goes on', async () => {
    const { proxy, client, server } = await openTunnel();
    client.write('last');
    client.half();
    await until(() => server.ended);
    expect(server.text.endsWith('last')).toBe(true);
    await proxy.quiet();
    expect(proxy.count('tunnelsNow')).toBe(0);
    client.destroy();
  });

  it('opened after its client half-closed passes that on', async () => {
    const { backend, proxy } = await startPair({ onHead: () => {} });
    const client = await RawClient.connect(proxy.port);
    client.write(`${upgrade}early`);
    client.half();
    await backend.received(1);
    backend.connections[0]!.write(switching);
    await until(() => backend.connections[0]!.ended);
    expect(backend.text.endsWith('early')).toBe(true);
    client.destroy();
    await proxy.quiet();
  });

  it('that is idle ends after its time; what passes either way keeps it', async () => {
    const { proxy, client, server } = await openTunnel({ timeouts: { tunnel: 1000 } });
    for (let i = 0; i < 3; i++) {
      await proxy.advance(900);
      if (i % 2 === 0) client.write('x');
      else server.write('x');
      await turns(20);
    }
    expect(proxy.count('tunnelsNow')).toBe(1);
    await proxy.advance(1100);
    await proxy.quiet();
    await until(() => server.closed);
    client.destroy();
  });

  it('whose client takes nothing stops the backend, and ends when it stays so', async () => {
    const { proxy, client, server } = await openTunnel({ timeouts: { tunnel: 5000 } });
    client.socket.pause();
    server.write(Buffer.alloc(64 * 1024 * 1024));
    for (let before = -1; before !== server.socket.writableLength;) {
      before = server.socket.writableLength;
      await turns(300);
    }
    expect(server.socket.writableLength).toBeGreaterThan(0);
    await proxy.advance(5100);
    await proxy.quiet();
    await until(() => server.closed);
    expect(proxy.backendConnections).toBe(0);
    client.destroy();
  });

  it('whose backend leaves while the client takes nothing does not stay for ever', async () => {
    const { proxy, client, server } = await openTunnel({ timeouts: { write: 2000 } });
    client.socket.pause();
    server.write(Buffer.alloc(64 * 1024 * 1024));
    for (let before = -1; before !== server.socket.writableLength;) {
      before = server.socket.writableLength;
      await turns(300);
    }
    server.reset();
    await turns(20);
    client.socket.resume();
    client.socket.pause();
    await proxy.advance(600_000);
    await proxy.quiet();
    expect(proxy.count('tunnelsNow')).toBe(0);
    expect(proxy.engine.runtime.wheel.armed).toBe(1);
    client.destroy();
  });

  it('ends with the engine', async () => {
    const { proxy, client, server } = await openTunnel();
    proxy.engine.close();
    await client.gone();
    await until(() => server.closed);
    client.destroy();
  });
});
