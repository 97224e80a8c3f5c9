import type { AccessLog } from '@rp/core';
import { describe, expect, it } from 'vitest';
import { ask, RawClient, status } from './support/client.ts';
import { field, names } from './support/message.ts';
import { startPair } from './support/proxy.ts';
import { ok } from './support/backend.ts';
import { until } from './support/wait.ts';

describe('fields of a request', () => {
  it('reach the backend with name case, order and value unchanged, and ours are added once', async () => {
    const { backend, proxy } = await startPair();
    const fields =
      'hOsT: app.example:81\r\nX-b: 1\r\nACCEPT: text/*;q=0.3,  x\r\nx-B: two  words\r\nCookie: a=1; b="2"\r\nX-Empty:\r\n';
    await ask(proxy.port, `GET /Pa%2Fth/../x?B=1&a=%20 HTTP/1.1\r\n${fields}\r\n`);
    const [request] = backend.requests;
    expect(request!.start).toBe('GET /Pa%2Fth/../x?B=1&a=%20 HTTP/1.1');
    expect(request!.fields.slice(0, 6)).toEqual([
      ['hOsT', 'app.example:81'],
      ['X-b', '1'],
      ['ACCEPT', 'text/*;q=0.3,  x'],
      ['x-B', 'two  words'],
      ['Cookie', 'a=1; b="2"'],
      ['X-Empty', ''],
    ]);
    const ours = request!.fields.slice(6);
    expect(ours.map(([name]) => name)).toEqual([
      'X-Forwarded-For',
      'X-Forwarded-Proto',
      'X-Forwarded-Host',
      'X-Forwarded-Port',
      'Via',
      'X-Request-Id',
    ]);
    expect(Object.fromEntries(ours)).toMatchObject({
      'X-Forwarded-For': '127.0.0.1',
      'X-Forwarded-Proto': 'http',
      'X-Forwarded-Host': 'app.example:81',
      'X-Forwarded-Port': String(proxy.port),
      Via: '1.1 rp',
    });
  });

  it('that are hop-by-hop, or named by Connection, end here', async () => {
    const { backend, proxy } = await startPair();
    await ask(
      proxy.port,
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Hop, Host, Authorization, X-Forwarded-For\r\nX-Hop: 1\r\n' +
        'Keep-Alive: 5\r\nTE: trailers\r\nProxy-Connection: x\r\nAuthorization: Basic x\r\nX-End: 2\r\n\r\n',
    );
    const got = names(backend.requests[0]!).map((name) => name.toLowerCase());
    expect(got).toEqual([
      'host',
      'authorization',
      'x-end',
      'x-forwarded-for',
      'x-forwarded-proto',
      'x-forwarded-host',
      'x-forwarded-port',
      'via',
      'x-request-id',
    ]);
  });

  it('about the way are replaced where the peer is not trusted, look-alikes too', async () => {
    const { backend, proxy } = await startPair();
    await ask(
      proxy.port,
      'GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n' +
        'X-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nX-Request-Id: theirs\r\n\r\n',
    );
    expect(backend.text).not.toContain('6.6.6.6');
    expect(backend.text).not.toContain('theirs');
    expect(backend.text).not.toContain('https');
  });

  it('about the way are kept and added to where the peer is trusted', async () => {
    const { backend, proxy } = await startPair({}, { trustedProxies: ['127.0.0.0/8'] });
    await ask(
      proxy.port,
      'GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Request-Id: theirs~1\r\nVia: 1.0 x\r\n\r\n',
    );
    const request = backend.requests[0]!;
    expect(field(request, 'x-forwarded-for')).toBe('1.2.3.4, 127.0.0.1');
    expect(field(request, 'x-forwarded-proto')).toBe('https');
    expect(field(request, 'x-request-id')).toBe('theirs~1');
    expect(field(request, 'via')).toBe('1.0 x, 1.1 rp');
    expect(names(request).filter((name) => /x-request-id/i.test(name))).toHaveLength(1);
  });

  it('include Forwarded where that is switched on', async () => {
    const { backend, proxy } = await startPair({}, { forwarding: { forwarded: true, via: 'edge' } });
    await ask(proxy.port, 'GET / HTTP/1.1\r\nHost: a.example\r\n\r\n');
    expect(field(backend.requests[0]!, 'forwarded')).toBe('for=127.0.0.1;host="a.example";proto=http');
    expect(field(backend.requests[0]!, 'via')).toBe('1.1 edge');
  });

  it('give the request id that the answers and logs of the proxy name', async () => {
    const ids: string[] = [];
    const accessLog = { log: (exchange: { requestId: string }) => void ids.push(exchange.requestId) };
    const { backend, proxy } = await startPair({}, { trustedProxies: ['127.0.0.1'], accessLog });
    await ask(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: a~b\r\n\r\n');
    await ask(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: one\r\nX-Request-Id: two\r\n\r\n');
    expect(ids).toEqual(backend.requests.map((request) => field(request, 'x-request-id')));
    expect(ids[0]).toBe('a~b');
  });
});

describe('fields of a response', () => {
  it('reach the client unchanged but for hop-by-hop ones and Via', async () => {
    const { proxy } = await startPair((_request, connection) =>
      connection.write(
        ok(
          'x',
          'sErVer: s',
          'X-A: 1',
          'x-a:  two',
          'Set-Cookie: a=1',
          'Set-Cookie: b=2',
          'Connection: X-Hop',
          'X-Hop: 1',
          'Keep-Alive: timeout=5',
          'Date: then',
        ),
      ),
    );
    const response = await ask(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(response.fields).toEqual([
      ['sErVer', 's'],
      ['X-A', '1'],
      ['x-a', 'two'],
      ['Set-Cookie', 'a=1'],
      ['Set-Cookie', 'b=2'],
      ['Date', 'then'],
      ['Content-Length', '1'],
      ['Via', '1.1 rp'],
    ]);
  });

  it('get a Date where the backend sent none', async () => {
    const { proxy } = await startPair();
    const response = await ask(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(field(response, 'date')).toBe('Tue, 14 Nov 2023 22:13:20 GMT');
  });
});

describe('methods', () => {
  const known = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY', 'PROPFIND', 'PURGE'];
  const unknown = [
    'BREW',
    'X-CUSTOM',
    'VERSION-CONTROL',
    'get',
    'DESCRIBE',
    'SOURCE',
    "!#$%&'*+-.^_`|~",
    'A'.repeat(64),
  ];
  it.each([...known, ...unknown])(
    '%s is forwarded with its body, framed by what was parsed alone',
    async (method) => {
      const { backend, proxy } = await startPair();
      const client = await RawClient.connect(proxy.port);
      client.write(`${method} /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc`);
      client.write(
        `${method} /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n`,
      );
      client.write(`${method} /3 HTTP/1.1\r\nHost: a\r\n\r\n`);
      await client.responses(3);
      expect(backend.requests.map(({ start, body }) => [start, body.toString()])).toEqual([
        [`${method} /1 HTTP/1.1`, 'abc'],
        [`${method} /2 HTTP/1.1`, 'xyz'],
        [`${method} /3 HTTP/1.1`, ''],
      ]);
      expect(
        backend.requests.map((request) => [
          field(request, 'content-length'),
          field(request, 'transfer-encoding'),
        ]),
      ).toEqual([
        ['3', undefined],
        [undefined, 'chunked'],
        [undefined, undefined],
      ]);
      client.destroy();
    },
  );

  it('an unknown one is forwarded byte by byte, between known ones, and logged', async () => {
    const lines: string[] = [];
    const accessLog: AccessLog = { log: ({ request }) => void lines.push(request.method) };
    const { backend, proxy } = await startPair({}, { accessLog });
    const client = await RawClient.connect(proxy.port);
    const requests = ['GET /1', 'BREW /2', 'DELETE /3', 'DESCRIBE /4', 'GET /5'];
    for (const byte of requests.map((line) => `${line} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''))
      client.write(byte);
    await client.responses(requests.length);
    expect(backend.requests.map(({ start }) => start)).toEqual(requests.map((line) => `${line} HTTP/1.1`));
    await until(() => lines.length === requests.length);
    expect(lines).toEqual(['GET', 'BREW', 'DELETE', 'DESCRIBE', 'GET']);
    client.destroy();
  });

  it('TRACE and CONNECT are refused and never forwarded', async () => {
    const { backend, proxy } = await startPair();
    const trace = await ask(proxy.port, 'TRACE / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(status(trace)).toBe(405);
    expect(field(trace, 'allow')).toContain('GET');
    expect(status(await ask(proxy.port, 'CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n'))).toBe(501);
    expect(backend.connections).toHaveLength(0);
  });
});

describe('Max-Forwards of OPTIONS (RFC 9110 §7.6.2)', () => {
  it.each(['/', '*'])('0 is answered here, for %s', async (target) => {
    const { backend, proxy } = await startPair();
    const client = await RawClient.connect(proxy.port);
    client.write(`OPTIONS ${target} HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n`.repeat(2));
    const [first, second] = await client.responses(2);
    client.destroy();
    expect([status(first!), field(first!, 'content-length'), status(second!)]).toEqual([200, '0', 200]);
    expect(field(first!, 'allow')).toContain('OPTIONS');
    expect(backend.connections).toHaveLength(0);
  });

  it.each([
    ['OPTIONS', '5', '4'],
    ['OPTIONS', '1', '0'],
    ['OPTIONS', 'x', 'x'],
    ['GET', '0', '0'],
    ['GET', '5', '5'],
  ])('%s with %s goes on with %s', async (method, came, goes) => {
    const { backend, proxy } = await startPair();
    await ask(proxy.port, `${method} / HTTP/1.1\r\nHost: a\r\nmax-Forwards: ${came}\r\n\r\n`);
    expect(backend.text).toContain(`\r\nmax-Forwards: ${goes}\r\n`);
  });
});

describe('what concerns one hop only', () => {
  it('Proxy-Authenticate of a backend is not ours to ask (RFC 9110 §11.7.1)', async () => {
    const { proxy } = await startPair((_request, connection) =>
      connection.write(ok('x', 'Proxy-Authenticate: Basic', 'WWW-Authenticate: Basic')),
    );
    const response = await ask(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(field(response, 'proxy-authenticate')).toBeUndefined();
    expect(field(response, 'www-authenticate')).toBe('Basic');
  });

  it('an expectation in HTTP/1.0 has no meaning, and does not get one (RFC 9110 §10.1.1)', async () => {
    const { backend, proxy } = await startPair();
    const bytes = 'POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na';
    expect(status(await ask(proxy.port, bytes))).toBe(200);
    expect(field(backend.requests[0]!, 'expect')).toBeUndefined();
    const empty = 'POST / HTTP/1.1\r\nHost: a\r\nExpect:\r\nContent-Length: 1\r\n\r\na';
    expect(status(await ask(proxy.port, empty))).toBe(200);
    expect(field(backend.requests[1]!, 'expect')).toBeUndefined();
  });

  it('https without TLS is misdirected, unless a gateway that ended TLS asks (RFC 9110 §7.4)', async () => {
    const bytes = 'GET https://a/x HTTP/1.1\r\nHost: a\r\n\r\n';
    const { backend, proxy } = await startPair();
    expect(status(await ask(proxy.port, bytes))).toBe(421);
    expect(backend.connections).toHaveLength(0);
    const trusting = await startPair({}, { trustedProxies: ['127.0.0.1'] });
    expect(status(await ask(trusting.proxy.port, bytes))).toBe(200);
  });
});

describe('HEAD, 204 and 304', () => {
  it('HEAD keeps the length of what GET would bring, and no body follows', async () => {
    const { backend, proxy } = await startPair((request, connection) =>
      connection.write(
        request.start.startsWith('HEAD') ? 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n' : ok('next'),
      ),
    );
    const client = await RawClient.connect(proxy.port);
    client.write('HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n');
    const [head, get] = await client.responses(2, ['HEAD', 'GET']);
    expect(field(head!, 'content-length')).toBe('1000');
    expect(get!.body.toString()).toBe('next');
    expect(backend.connections).toHaveLength(1);
    client.destroy();
  });

  it.each([
    ['204 No Content', ''],
    ['304 Not Modified', 'Content-Length: 55\r\n'],
    ['304 Not Modified', ''],
  ])('%s with %j has no body, and the connections go on', async (line, lines) => {
    const { backend, proxy } = await startPair((_request, connection) =>
      connection.write(`HTTP/1.1 ${line}\r\nETag: "a"\r\n${lines}\r\n`),
    );
    const client = await RawClient.connect(proxy.port);
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.responses(1);
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    const responses = await client.responses(2);
    expect(responses.map(({ start }) => start)).toEqual([`HTTP/1.1 ${line}`, `HTTP/1.1 ${line}`]);
    expect(field(responses[0]!, 'transfer-encoding')).toBeUndefined();
    expect(field(responses[0]!, 'content-length')).toBe(lines === '' ? undefined : '55');
    expect(backend.connections).toHaveLength(1);
    client.destroy();
  });
});
