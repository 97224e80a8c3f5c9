import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ok } from './support/backend.ts';
import { ask, RawClient, status } from './support/client.ts';
import { field } from './support/message.ts';
import { startPair } from './support/proxy.ts';
import { turns, until } from './support/wait.ts';

const sum = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Bytes that repeat only after a prime number of them, so that nothing moved goes unnoticed. */
function sample(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) bytes[i] = (i % 251) ^ (i >> 13);
  return bytes;
}

function chunks(body: Buffer, size: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) {
    const piece = body.subarray(at, at + size);
    parts.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'));
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}

const sizes = [0, 1, 100, 8_191, 32_768, 65_536, 65_537, 300_000, 5_000_000];

describe('a request body', () => {
  it.each(sizes)('of %i bytes with a length arrives whole', async (size) => {
    const body = sample(size);
    const { backend, proxy } = await startPair();
    const head = Buffer.from(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`);
    await ask(proxy.port, Buffer.concat([head, body]));
    expect(sum(backend.requests[0]!.body)).toBe(sum(body));
    expect(field(backend.requests[0]!, 'content-length')).toBe(String(size));
  });

  it.each(sizes)('of %i bytes in chunks arrives whole', async (size) => {
    const body = sample(size);
    const { backend, proxy } = await startPair();
    const head = Buffer.from('PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
    await ask(proxy.port, Buffer.concat([head, chunks(body, 7_919)]));
    expect(sum(backend.requests[0]!.body)).toBe(sum(body));
  });

  it('that comes in pieces of any size goes on as it comes', async () => {
    const { backend, proxy } = await startPair();
    const client = await RawClient.connect(proxy.port);
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nab');
    await until(() => backend.text.endsWith('ab'));
    client.write('cd');
    await until(() => backend.text.endsWith('abcd'));
    client.write('ef');
    expect((await client.response()).body.toString()).toBe('ok');
    client.destroy();
  });
});

describe('a response body', () => {
  it.each(sizes)('of %i bytes with a length arrives whole', async (size) => {
    const body = sample(size);
    const { proxy } = await startPair((_request, connection) => connection.write(ok(body)));
    const response = await ask(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(sum(response.body)).toBe(sum(body));
    expect(field(response, 'content-length')).toBe(String(size));
    expect(field(response, 'transfer-encoding')).toBeUndefined();
  });

  it.each(sizes)('of %i bytes in chunks arrives whole', async (size) => {
    const body = sample(size);
    const { proxy } = await startPair((_request, connection) => {
      connection.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      connection.write(chunks(body, 9_973));
    });
    const response = await ask(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(sum(response.body)).toBe(sum(body));
    expect(field(response, 'transfer-encoding')).toBe('chunked');
  });

  it.each(sizes)('of %i bytes that ends with the connection arrives whole, in chunks', async (size) => {
    const body = sample(size);
    const { backend, proxy } = await startPair((_request, connection) => {
      connection.write('HTTP/1.1 200 OK\r\n\r\n');
      connection.end(body);
    });
    const client = await RawClient.connect(proxy.port);
    for (let i = 1; i <= 2; i++) {
      client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      const response = (await client.responses(i)).at(-1)!;
      expect(sum(response.body)).toBe(sum(body));
      expect(field(response, 'transfer-encoding')).toBe('chunked');
      expect(field(response, 'connection')).toBeUndefined();
    }
    expect(backend.connections).toHaveLength(2);
    client.destroy();
  });

  it('of a backend that closes after each response arrives whole each time', async () => {
    const { backend, proxy } = await startPair((_request, connection) =>
      connection.end(ok('x'.repeat(1000), 'Connection: close')),
    );
    const client = await RawClient.connect(proxy.port);
    for (let i = 1; i <= 20; i++) {
      client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      await client.responses(i);
    }
    const responses = await client.responses(20);
    expect(responses.map(({ start, body }) => [start, body.length])).toEqual(
      Array.from({ length: 20 }, () => ['HTTP/1.1 200 OK', 1000]),
    );
    expect(backend.connections).toHaveLength(20);
    client.destroy();
  });
});

describe('server-sent events', () => {
  it('leave as they come: nothing is held back', async () => {
    const { backend, proxy } = await startPair((_request, connection) =>
      connection.write(
        'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n',
      ),
    );
    const client = await RawClient.connect(proxy.port);
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.receives('text/event-stream');
    for (let i = 0; i < 5; i++) {
      const event = `data: ${i}\n\n`;
      backend.connections[0]!.write(`${event.length.toString(16)}\r\n${event}\r\n`);
      await client.receives(event);
    }
    backend.connections[0]!.write('0\r\n\r\n');
    expect((await client.response()).body.toString()).toBe(
      'data: 0\n\ndata: 1\n\ndata: 2\n\ndata: 3\n\ndata: 4\n\n',
    );
    client.destroy();
  });
});

describe('trailers', () => {
  it('of a request are passed on; those that frame, route or authorise are dropped', async () => {
    const { backend, proxy } = await startPair();
    await ask(
      proxy.port,
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\nHost: b\r\nAuthorization: x\r\nX-Forwarded-For: y\r\n\r\n',
    );
    expect(backend.requests[0]!.trailers).toEqual([['X-Sum', '1']]);
  });

  it('of a request that waited for its connection are passed on', async () => {
    const { backend, proxy } = await startPair();
    const client = await RawClient.connect(proxy.port);
    client.write(
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n',
    );
    await client.response();
    expect(backend.requests[0]!.trailers).toEqual([['X-Sum', '1']]);
    client.destroy();
  });

  it('of a response are passed on, and never to HTTP/1.0', async () => {
    const { proxy } = await startPair((_request, connection) =>
      connection.write(
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n1\r\na\r\n0\r\nX-Sum: 7\r\nHost: b\r\n\r\n',
      ),
    );
    const response = await ask(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(response.trailers).toEqual([['X-Sum', '7']]);
    const old = await RawClient.connect(proxy.port);
    old.write('GET / HTTP/1.0\r\n\r\n');
    await old.gone();
    expect(old.text.endsWith('\r\n\r\na')).toBe(true);
    old.destroy();
  });

  it.each([
    'Content-Length: 5',
    'Content-Length: x',
    'Transfer-Encoding: chunked',
    'Transfer-Encoding: gzip',
    'Host: b',
    'Authorization: x',
    'Connection: close',
    'X_Forwarded_For: y',
    'X-Named: by Connection',
  ])('that frame, route or authorise (%s) are dropped, and what is around them is not', async (line) => {
    const body = `1\r\na\r\n0\r\nX-A: 1\r\n${line}\r\nX-B: 2\r\n\r\n`;
    const lines = 'Connection: x-named\r\nTransfer-Encoding: chunked\r\n\r\n';
    const { backend, proxy } = await startPair((_request, connection) =>
      connection.write(`HTTP/1.1 200 OK\r\n${lines}${body}`),
    );
    const client = await RawClient.connect(proxy.port);
    client.write(`POST / HTTP/1.1\r\nHost: a\r\n${lines}${body}`.repeat(2));
    const kept = [
      ['X-A', '1'],
      ['X-B', '2'],
    ];
    const responses = await client.responses(2);
    client.destroy();
    expect(responses.map((response) => [status(response), response.trailers])).toEqual([
      [200, kept],
      [200, kept],
    ]);
    expect(backend.requests.map(({ trailers }) => trailers)).toEqual([kept, kept]);
    expect(backend.connections).toHaveLength(1);
  });

  it('of a response are bounded', async () => {
    const { proxy } = await startPair((_request, connection) =>
      connection.write(
        `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n${'X: 1\r\n'.repeat(101)}\r\n`,
      ),
    );
    expect((await ask(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')).start).toContain('502');
  });
});

describe('backpressure', () => {
  const big = 64 * 1024 * 1024;

  it('a client that does not read stops the backend, and gets everything once it reads', async () => {
    const piece = sample(1024 * 1024);
    let sent = 0;
    const { backend, proxy } = await startPair((_request, connection) => {
      connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${big}\r\n\r\n`);
      const more = (): void => {
        while (sent < big) {
          sent += piece.length;
          if (!connection.socket.write(piece)) return void connection.socket.once('drain', more);
        }
      };
      more();
    });
    const client = await RawClient.connect(proxy.port);
    client.socket.pause();
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await backend.received(1);
    // What the kernel's buffers take, and no more: the rest stays where it is.
    for (let before = -1; before !== sent;) {
      before = sent;
      await turns(200);
    }
    expect(sent).toBeLessThan(big / 2);
    expect(backend.connections[0]!.socket.writableLength).toBeGreaterThan(0);
    let got = 0;
    client.socket.removeAllListeners('data');
    client.socket.on('data', (chunk: Buffer) => (got += chunk.length));
    client.socket.resume();
    await until(() => got > big);
    client.destroy();
  });

  it('a backend that does not read stops the client, and gets everything once it reads', async () => {
    const { backend, proxy } = await startPair({
      onConnection: (connection) => void connection.socket.pause(),
    });
    const client = await RawClient.connect(proxy.port);
    client.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${big}\r\n\r\n`);
    const piece = sample(1024 * 1024);
    let sent = 0;
    const more = (): void => {
      while (sent < big) {
        sent += piece.length;
        if (!client.socket.write(piece)) return void client.socket.once('drain', more);
      }
    };
    more();
    await until(() => backend.connections.length === 1);
    for (let before = -1; before !== sent;) {
      before = sent;
      await turns(200);
    }
    expect(sent).toBeLessThan(big / 2);
    let got = 0;
    const { socket } = backend.connections[0]!;
    socket.removeAllListeners('data');
    socket.on('data', (chunk: Buffer) => (got += chunk.length));
    socket.resume();
    await until(() => got >= big);
    client.destroy();
  });
});

describe('memory that serves one body after the other', () => {
  const length = 10_000_000;
  /** Bytes that no other seed gives. */
  const own = [3, 5, 7, 11].map((seed) => {
    const bytes = Buffer.allocUnsafe(length);
    for (let i = 0; i < length; i++) bytes[i] = i * seed + (i >> 8);
    return bytes;
  });

  it.each(['with a length', 'in chunks'])('keeps those of slow clients apart: %s', async (framing) => {
    const { proxy } = await startPair((request, connection) => {
      const body = own[Number(request.start.split(/[/ ]/)[2])]!;
      if (framing === 'with a length') return connection.write(ok(body));
      connection.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      connection.write(chunks(body, 50_001));
    });
    const clients = await Promise.all(own.map(() => RawClient.connect(proxy.port)));
    const download = async (client: RawClient, seed: number): Promise<void> => {
      client.socket.pause();
      client.write(`GET /${seed} HTTP/1.1\r\nHost: a\r\n\r\n`);
      const response = client.response();
      for (let taken = 0; taken < length;) {
        // Nothing is read until the writes of all clients are cut short, and then only a little.
        await turns(100);
        const chunk = client.socket.read() as Buffer | null;
        if (chunk === null) break;
        taken += chunk.length;
      }
      client.socket.resume();
      expect(sum((await response).body)).toBe(sum(own[seed]!));
    };
    await Promise.all(clients.map(download));
  });
});
