import { describe, expect, it } from 'vitest';
import { ok } from './support/backend.ts';
import { RawClient, status } from './support/client.ts';
import { field } from './support/message.ts';
import { startBackend, startPair, startProxy } from './support/proxy.ts';
import { turns, until } from './support/wait.ts';

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

describe('header read', () => {
  it('slowloris: a head that trickles gets 408 at the deadline, while others are served', async () => {
    const { backend, proxy } = await startPair({}, { timeouts: { header: 1000 } });
    const slow = await RawClient.connect(proxy.port);
    slow.write('GET / HTTP/1.1\r\n');
    for (let i = 0; i < 11; i++) {
      await proxy.advance(100);
      slow.write(`X-${i}: 1\r\n`);
      const other = await RawClient.connect(proxy.port);
      other.write(get);
      expect(status(await other.response())).toBe(200);
      other.destroy();
    }
    await slow.gone();
    expect(slow.text).toMatch(/^HTTP\/1\.1 408 /);
    expect(slow.text).toContain('Connection: close');
    expect(backend.text).not.toContain('X-0');
    slow.destroy();
  });

  it('a connection that never says anything is closed without a word', async () => {
    const { proxy } = await startPair({}, { timeouts: { header: 1000 } });
    const client = await RawClient.connect(proxy.port);
    await until(() => proxy.engine.connections === 1);
    await proxy.advance(900);
    expect(client.ended).toBe(false);
    await proxy.advance(200);
    await client.gone();
    expect(client.text).toBe('');
    client.destroy();
  });

  it('starts anew for each request of a connection', async () => {
    const { proxy } = await startPair({}, { timeouts: { header: 1000 } });
    const client = await RawClient.connect(proxy.port);
    for (let i = 1; i <= 3; i++) {
      client.write(get.slice(0, 10));
      await turns(20);
      await proxy.advance(800);
      client.write(get.slice(10));
      await client.responses(i);
    }
    expect((await client.responses(3)).map(status)).toEqual([200, 200, 200]);
    client.destroy();
  });
});

describe('body read', () => {
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n';

  it('a body that stalls gets 408, and the backend connection is closed', async () => {
    const { backend, proxy } = await startPair({}, { timeouts: { body: 1000 } });
    const client = await RawClient.connect(proxy.port);
    client.write(`${head}abc`);
    await until(() => backend.text.endsWith('abc'));
    await proxy.advance(1100);
    expect(status(await client.response())).toBe(408);
    await client.gone();
    await until(() => backend.connections[0]!.closed);
    client.destroy();
  });

  it('slow body: a byte now and then is no progress', async () => {
    const { proxy } = await startPair({}, { timeouts: { body: 1000 } });
    const client = await RawClient.connect(proxy.port);
    client.write(head);
    for (let i = 0; i < 13; i++) {
      await proxy.advance(100);
      client.write('x');
    }
    expect(status(await client.response())).toBe(408);
    client.destroy();
  });

  it('an honest slow upload is not cut, however long it takes', async () => {
    const { backend, proxy } = await startPair({}, { timeouts: { body: 1000, response: 800 } });
    const client = await RawClient.connect(proxy.port);
    client.write(head);
    for (let i = 1; i <= 10; i++) {
      await proxy.advance(900);
      client.write('x'.repeat(100));
      await until(() => backend.text.endsWith(`\r\n\r\n${'x'.repeat(100 * i)}`));
    }
    expect(status(await client.response())).toBe(200);
    client.destroy();
  });

  it('a client that waits for 100 is not late before it came', async () => {
    const { backend, proxy } = await startPair(
      { onHead: () => {}, onRequest: (_r, connection) => connection.write(ok()) },
      { timeouts: { body: 1000 } },
    );
    const client = await RawClient.connect(proxy.port);
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n');
    await until(() => backend.connections[0]?.headSeen === true);
    await proxy.advance(5000);
    expect(client.text).toBe('');
    backend.connections[0]!.write('HTTP/1.1 100 Continue\r\n\r\n');
    await client.receives('100 Continue');
    await proxy.advance(1100);
    expect((await client.responses(1)).map(status)).toEqual([100, 408]);
    client.destroy();
  });
});

describe('backend', () => {
  it('that cannot be connected to in time: 504', async () => {
    // Connected and silent: a TLS handshake that never gets an answer is no connection yet.
    const silent = await startBackend({ onHead: () => {} });
    const proxy = await startProxy({
      backends: [silent.port],
      pool: { connectTimeout: 1000 },
      protocol: 'https',
    });
    const client = await RawClient.connect(proxy.port);
    client.write(get);
    await until(() => silent.connections.length === 1);
    await proxy.advance(900);
    expect(client.text).toBe('');
    await proxy.advance(200);
    expect(status(await client.response())).toBe(504);
    await until(() => silent.open === 0);
    client.destroy();
  });

  it('first byte: 504, and the connection is closed', async () => {
    const { backend, proxy } = await startPair({ onHead: () => {} }, { timeouts: { response: 1000 } });
    const client = await RawClient.connect(proxy.port);
    client.write(get);
    await backend.received(1);
    await proxy.advance(900);
    expect(client.text).toBe('');
    await proxy.advance(200);
    const response = await client.response();
    expect(status(response)).toBe(504);
    expect(field(response, 'connection')).toBeUndefined();
    await until(() => backend.connections[0]!.closed);
    client.destroy();
  });

  it('between bytes: the client connection is cut', async () => {
    const { backend, proxy } = await startPair({ onHead: () => {} }, { timeouts: { response: 1000 } });
    const client = await RawClient.connect(proxy.port);
    client.write(get);
    await backend.received(1);
    backend.connections[0]!.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n');
    for (let i = 0; i < 5; i++) {
      await proxy.advance(900);
      backend.connections[0]!.write('x');
      await client.receives('x'.repeat(i + 1));
    }
    await proxy.advance(1100);
    await client.gone();
    expect(client.text.endsWith('\r\n\r\nxxxxx')).toBe(true);
    await until(() => backend.connections[0]!.closed);
    client.destroy();
  });

  it('that takes nothing of an upload: 504, the client is not to blame', async () => {
    const { backend, proxy } = await startPair(
      { onConnection: (connection) => void connection.socket.pause() },
      { timeouts: { response: 2000, body: 1000 } },
    );
    const client = await RawClient.connect(proxy.port);
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n');
    client.write(Buffer.alloc(100_000_000));
    await until(() => backend.connections.length === 1);
    for (let before = -1; before !== client.socket.writableLength + client.socket.bytesWritten;) {
      before = client.socket.writableLength + client.socket.bytesWritten;
      await turns(300);
    }
    await proxy.advance(2200);
    await client.receives('HTTP/1.1 504');
    client.destroy();
  });
});

describe('write stall', () => {
  it('slow read: a client that takes nothing is dropped, and its backend connection with it', async () => {
    const { backend, proxy } = await startPair(
      (_request, connection) => connection.write(ok(Buffer.alloc(50_000_000))),
      {
        timeouts: { write: 1000, response: 100_000 },
      },
    );
    const client = await RawClient.connect(proxy.port);
    client.socket.pause();
    client.write(get);
    await backend.received(1);
    await turns(300);
    await proxy.advance(900);
    expect(proxy.engine.connections).toBe(1);
    await proxy.advance(1300);
    await proxy.quiet();
    expect(proxy.count('failure.CLIENT_STALLED')).toBe(1);
    await until(() => backend.connections[0]!.closed);
    client.destroy();
  });
});

describe('keep-alive', () => {
  it('an idle client connection is closed after its time, not before', async () => {
    const { proxy } = await startPair({}, { timeouts: { idle: 5000 } });
    const client = await RawClient.connect(proxy.port);
    client.write(get);
    await client.response();
    await proxy.advance(4900);
    expect(client.ended).toBe(false);
    await proxy.advance(200);
    await client.gone();
    expect(client.ended).toBe(true);
    client.destroy();
  });

  it('an idle backend connection is closed before the backend would', async () => {
    const { backend, proxy } = await startPair((_request, connection) =>
      connection.write(ok('x', 'Keep-Alive: timeout=5')),
    );
    const client = await RawClient.connect(proxy.port);
    client.write(get);
    await client.response();
    await proxy.advance(3000);
    expect(backend.open).toBe(1);
    await proxy.advance(3000);
    await until(() => backend.open === 0);
    client.destroy();
  });
});

describe('lingering', () => {
  it('a client that goes on sending after our last word is read for a moment, and then closed', async () => {
    const { proxy } = await startPair({}, { limits: { body: 10 } });
    const client = await RawClient.connect(proxy.port);
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n');
    await client.receives('413');
    client.write('x'.repeat(500));
    await turns(20);
    expect(proxy.engine.connections).toBe(1);
    await proxy.advance(2100);
    await proxy.quiet();
    client.destroy();
  });

  it('a client that sends without end is not read without end', async () => {
    const { proxy } = await startPair({}, { limits: { body: 10 } });
    const client = await RawClient.connect(proxy.port);
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n');
    await client.receives('413');
    client.write(Buffer.alloc(16 * 1024 * 1024));
    await proxy.quiet();
    client.destroy();
  });
});
