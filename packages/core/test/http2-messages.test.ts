import { ErrorCode } from '@rp/parser';
import { describe, expect, test } from 'vitest';
import { ok } from './support/backend.ts';
import { ask, status } from './support/client.ts';
import { get, value } from './support/h2-client.ts';
import { startH2 } from './support/h2-proxy.ts';
import { field, names } from './support/message.ts';
import { until } from './support/wait.ts';

describe('requests become HTTP/1.1 (RFC 9113 §8.3.1)', () => {
  test(':authority is Host, crumbs are one Cookie, te and connection fields stay behind', async () => {
    const { connect, backend } = await startH2();
    const client = await connect();
    const fields = get('GET', '/a?b=1', 'cookie', 'a=1', 'x-test', 'v', 'cookie', 'b=2', 'te', 'trailers');
    await client.result(client.request(fields));
    const [request] = backend.requests;
    expect(request?.start).toBe('GET /a?b=1 HTTP/1.1');
    expect(field(request!, 'host')).toBe('app.example');
    expect(request?.fields.filter(([name]) => name === 'cookie')).toEqual([['cookie', 'a=1; b=2']]);
    expect(field(request!, 'x-test')).toBe('v');
    expect(names(request!).map((name) => name.toLowerCase())).not.toContain('te');
    expect(field(request!, 'via')).toBe('2.0 rp');
    expect(field(request!, 'x-forwarded-for')).toBe('127.0.0.1');
    expect(field(request!, 'x-forwarded-proto')).toBe('http');
  });

  test('a request without content has no framing, a POST without content says so', async () => {
    const { connect, backend } = await startH2();
    const client = await connect();
    await client.result(client.request(get('GET')));
    await client.result(client.request(get('POST')));
    expect(backend.text).not.toContain('Transfer-Encoding');
    expect(field(backend.requests[0]!, 'content-length')).toBeUndefined();
    expect(field(backend.requests[1]!, 'content-length')).toBe('0');
  });

  test('a body keeps its length, or becomes chunked; trailers travel', async () => {
    const { connect, backend } = await startH2();
    const client = await connect();
    const known = client.request(get('POST', '/', 'content-length', '5'), false);
    client.data(known, 'hello', true);
    await client.result(known);
    expect(field(backend.requests[0]!, 'content-length')).toBe('5');
    expect(backend.requests[0]!.body.toString()).toBe('hello');
    const unknown = client.request(get('PUT'), false);
    client.data(unknown, 'one');
    client.data(unknown, 'two');
    client.writer.headers(unknown, ['x-sum', '6', 'content-length', '6'], true);
    client.flush();
    await client.result(unknown);
    expect(field(backend.requests[1]!, 'transfer-encoding')).toBe('chunked');
    expect(backend.requests[1]!.body.toString()).toBe('onetwo');
    expect(backend.requests[1]!.trailers).toEqual([['x-sum', '6']]);
  });

  test.each(['BREW', 'get', 'VERSION-CONTROL', "!#$%&'*+-.^_`|~"])(
    '%s, which nobody knows',
    async (method) => {
      const { connect, backend } = await startH2();
      const client = await connect();
      const stream = client.request(get(method, '/a'), false);
      client.data(stream, 'abc', true);
      expect(value((await client.result(stream)).fields, ':status')).toBe('200');
      await client.result(client.request(get(method, '/b')));
      expect(backend.requests.map(({ start, body }) => [start, body.toString()])).toEqual([
        [`${method} /a HTTP/1.1`, 'abc'],
        [`${method} /b HTTP/1.1`, ''],
      ]);
    },
  );

  test.each([
    ['a method with more behind it', get('BREW / HTTP/1.1')],
    ['a connection-specific field', [...get(), 'connection', 'keep-alive']],
    ['transfer-encoding', [...get('POST'), 'transfer-encoding', 'chunked']],
    ['te with more than trailers', [...get(), 'te', 'gzip']],
    ['CR in a value', [...get(), 'x', 'a\rb']],
    ['LF in a value', [...get(), 'x', 'a\nGET /smuggled HTTP/1.1']],
    ['NUL in a value', [...get(), 'x', 'a\0b']],
    ['a backslash in the path', get('GET', '/a\\b')],
    ['a fragment in the path', get('GET', '/a#b')],
    [
      'an authority with user information',
      [...get().slice(0, 4), ':authority', 'u@app.example', ':path', '/'],
    ],
    ['a space in a name', [...get(), 'x test', 'v']],
    ['a colon in a name', [...get(), 'x:test', 'v']],
    ['an empty name', [...get(), '', 'v']],
    ['no method', get().slice(2)],
    ['no path', get().slice(0, 6)],
    ['an empty path', get('GET', '')],
    ['a path with a space', get('GET', '/a b')],
    ['two paths', [...get(), ':path', '/b']],
    ['an unknown pseudo-field', [':secret', '1', ...get()]],
    ['a pseudo-field of responses', [...get(), ':status', '200']],
    ['a pseudo-field after a field', [...get().slice(0, 6), 'x', 'y', ':path', '/']],
    ['a host that differs from :authority', [...get(), 'host', 'other.example']],
    ['two lengths', [...get('POST'), 'content-length', '1', 'content-length', '1']],
    ['a length that is none', [...get('POST'), 'content-length', '+1']],
    ['a length without content', [...get('POST'), 'content-length', '3']],
  ])('malformed: %s is a stream error, and nothing is forwarded', async (_, fields) => {
    const { connect, backend } = await startH2();
    const client = await connect();
    const stream = client.request(fields);
    expect((await client.result(stream)).reset).toBe(ErrorCode.PROTOCOL_ERROR);
    expect(value((await client.result(client.request())).fields, ':status')).toBe('200');
    expect(backend.requests).toHaveLength(1);
  });

  test.each([
    ['more DATA than content-length', 'abc', false],
    ['less DATA than content-length', 'a', true],
  ])('%s is a stream error, and the backend sees no whole request', async (_, bytes, end) => {
    const { connect, backend, proxy } = await startH2();
    const client = await connect();
    const stream = client.request(get('POST', '/', 'content-length', '2'), false);
    client.data(stream, bytes, end);
    expect((await client.result(stream)).reset).toBe(ErrorCode.PROTOCOL_ERROR);
    await until(() => proxy.count('requestsNow') === 0);
    await client.result(client.request(get('GET', '/next')));
    expect(backend.requests.map(({ start }) => start)).toEqual(['GET /next HTTP/1.1']);
  });

  test('a name in capitals is malformed, also as a literal in the block', async () => {
    const { connect, backend } = await startH2();
    const client = await connect();
    // :method GET, :scheme http, :path /, :authority a, then the literal X-A: b, never indexed.
    const block = Buffer.from([0x82, 0x86, 0x84, 0x01, 1, 0x61, 0x10, 3, 0x58, 0x2d, 0x41, 1, 0x62]);
    client.frame(1, 5, 1, block);
    expect((await client.result(1)).reset).toBe(ErrorCode.PROTOCOL_ERROR);
    expect(backend.requests).toHaveLength(0);
  });

  test.each<[string, number, string[]]>([
    ['%00 in the path', 400, get('GET', '/a%00b')],
    ['another scheme', 400, [':method', 'GET', ':scheme', 'ftp', ':authority', 'a', ':path', '/']],
    ['a long path', 414, get('GET', `/${'a'.repeat(8200)}`)],
    ['many fields', 431, [...get(), ...Array.from({ length: 101 }, (_, i) => [`x-${i}`, 'v']).flat()]],
    ['a header list too large', 431, [...get(), 'x-large', 'v'.repeat(33_000)]],
    ['an unknown expectation', 417, [...get('POST'), 'expect', 'miracles']],
    ['TRACE', 405, get('TRACE')],
    ['CONNECT', 501, [':method', 'CONNECT', ':authority', 'app.example:443']],
    ['extended CONNECT for something unknown', 501, [...get('CONNECT'), ':protocol', 'connect-udp']],
  ])('%s is answered with %i', async (_, status, fields) => {
    const { connect, backend } = await startH2();
    const client = await connect();
    // :protocol is a pseudo-field and must stand among them.
    const at = fields.indexOf(':protocol');
    const sorted = at === -1 ? fields : [...fields.slice(at), ...fields.slice(0, at)];
    const result = await client.result(client.request(sorted));
    expect(value(result.fields, ':status')).toBe(String(status));
    expect(value((await client.result(client.request())).fields, ':status')).toBe('200');
    expect(backend.requests).toHaveLength(1);
  });

  test('a body over the limit is answered with 413 and reset without blame', async () => {
    const { connect } = await startH2({ onHead: () => {} }, { limits: { body: 10 } });
    const client = await connect();
    const stream = client.request(get('POST'), false);
    client.data(stream, 'more than ten octets');
    const result = await client.result(stream);
    expect(value(result.fields, ':status')).toBe('413');
    await client.until(() => client.of(stream).reset !== undefined);
    expect(client.of(stream).reset).toBe(ErrorCode.NO_ERROR);
  });
});

describe('responses become HTTP/2 (RFC 9113 §8.3.2)', () => {
  const answering = async (bytes: string | Buffer, method = 'GET', then: 'keep' | 'end' = 'keep') => {
    const { connect, backend } = await startH2((_, connection) => {
      connection.write(bytes);
      if (then === 'end') connection.end();
    });
    const client = await connect();
    return { result: await client.result(client.request(get(method))), backend, client };
  };

  test('names in lower case, connection fields gone, Via added, order kept', async () => {
    const { result } = await answering(
      ok(
        'hi',
        'X-One: 1',
        'Connection: X-Gone, keep-alive',
        'X-Gone: 1',
        'Keep-Alive: timeout=5',
        'Set-Cookie: a=1',
        'Set-Cookie: b=2',
        'Date: now',
      ),
    );
    expect(result.fields).toEqual([
      ':status',
      '200',
      'x-one',
      '1',
      'set-cookie',
      'a=1',
      'set-cookie',
      'b=2',
      'date',
      'now',
      'content-length',
      '2',
      'via',
      '1.1 rp',
    ]);
    expect(result.body.toString()).toBe('hi');
    expect(result.ended).toBe(true);
  });

  test('chunked becomes DATA, and trailers become HEADERS', async () => {
    const { result } = await answering(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\nX-Sum: 4\r\n\r\n',
    );
    expect(result.body.toString()).toBe('abcd');
    expect(result.trailers).toEqual(['x-sum', '4']);
    expect(value(result.fields, 'transfer-encoding')).toBeUndefined();
    expect(value(result.fields, 'trailer')).toBe('X-Sum');
  });

  test('a close-delimited body ends with the stream', async () => {
    const { result } = await answering('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it', 'GET', 'end');
    expect(result.body.toString()).toBe('all of it');
    expect(result.ended).toBe(true);
  });

  test.each([
    ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n', '9'],
    ['GET', 'HTTP/1.1 204 No Content\r\n\r\n', undefined],
    ['GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nETag: "a"\r\n\r\n', '9'],
    ['GET', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', '0'],
  ])('%s %j ends with its head', async (method, bytes, length) => {
    const { result, client } = await answering(bytes, method);
    expect(value(result.fields, 'content-length')).toBe(length);
    expect(client.frames.filter(({ type }) => type === 'data')).toEqual([]);
    expect(client.frames.find(({ type }) => type === 'headers')?.end).toBe(true);
  });

  test('100 and 103 are relayed before the final head', async () => {
    const { result } = await answering(
      `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${ok().toString()}`,
    );
    expect(result.interim.map((fields) => value(fields, ':status'))).toEqual(['100', '103']);
    expect(value(result.interim[1]!, 'link')).toBe('</a>');
    expect(value(result.fields, ':status')).toBe('200');
  });

  test('a response that breaks off is a reset, so that the client can tell', async () => {
    const { result } = await answering('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc', 'GET', 'end');
    expect(result.reset).toBe(ErrorCode.INTERNAL_ERROR);
    expect(result.ended).toBe(false);
  });

  test('an invalid response is a 502', async () => {
    const { result } = await answering(
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      'GET',
      'end',
    );
    expect(value(result.fields, ':status')).toBe('502');
    expect(value(result.fields, 'x-request-id')).toBeTruthy();
  });

  test('an early answer to a request that still sends tells the client to stop', async () => {
    const { connect } = await startH2({
      onHead: (_, connection) => connection.end(ok('no', 'Connection: close')),
    });
    const client = await connect();
    const stream = client.request(get('POST'), false);
    const result = await client.result(stream);
    expect(value(result.fields, ':status')).toBe('200');
    await client.until(() => client.of(stream).reset !== undefined);
    expect(client.of(stream).reset).toBe(ErrorCode.NO_ERROR);
  });

  test('requests on one connection are answered as they are ready', async () => {
    const { connect } = await startH2((request, connection) => {
      if (request.start.includes('/slow')) setTimeout(() => connection.write(ok('slow')), 30);
      else connection.write(ok('fast'));
    });
    const client = await connect();
    const slow = client.request(get('GET', '/slow'));
    const fast = client.request(get('GET', '/fast'));
    expect((await client.result(fast)).body.toString()).toBe('fast');
    expect(client.of(slow).ended).toBe(false);
    expect((await client.result(slow)).body.toString()).toBe('slow');
  });
});

describe('resets (RFC 9113 §5.4.2)', () => {
  test('a stream that the client resets cancels the backend’s work at once', async () => {
    const { connect, backend, proxy } = await startH2({ onHead: () => {} });
    const client = await connect();
    const stream = client.request();
    await until(() => backend.connections.length === 1);
    client.writer.rstStream(stream, ErrorCode.CANCEL);
    client.flush();
    await until(() => backend.open === 0);
    expect(proxy.count('requestsNow')).toBe(0);
    expect(proxy.count('clientAborts')).toBe(1);
  });

  test('a connection that goes away cancels all of its streams', async () => {
    const { connect, backend, proxy } = await startH2({ onHead: () => {} });
    const client = await connect();
    for (let i = 0; i < 5; i++) client.request();
    await until(() => proxy.count('requestsNow') === 5 && backend.open === 5);
    client.destroy();
    await until(() => backend.open === 0 && proxy.engine.connections === 0);
    expect(proxy.count('requestsNow')).toBe(0);
  });
});

test('the preface is told from HTTP/1 on the same port', async () => {
  const { port } = await startH2();

  expect(status(await ask(port, 'PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n'))).toBe(200);
});
