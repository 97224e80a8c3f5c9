import { setField, type RequestHead } from '@rp/parser';
import { describe, expect, it } from 'vitest';
import type { LocalAnswer } from '../src/answers.ts';
import { ok } from './support/backend.ts';
import { ask, RawClient, status } from './support/client.ts';
import { get as h2Get } from './support/h2-client.ts';
import { startH2 } from './support/h2-proxy.ts';
import { field } from './support/message.ts';
import { startPair } from './support/proxy.ts';
import { turns, until } from './support/wait.ts';

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

describe('the events of an exchange', () => {
  it('come in order, each once', async () => {
    const { proxy } = await startPair();
    const { hooks } = proxy.engine;
    const seen: string[] = [];
    hooks.connectionEstablished.on(({ address }) => void seen.push(`connected ${address}`));
    hooks.requestParsed.on(({ request }) => void seen.push(`parsed ${request.method}`));
    hooks.backendSelected.on(({ backend }) => void seen.push(`selected ${backend.includes('127.0.0.1')}`));
    hooks.responseReceived.on(({ response }) => void seen.push(`received ${response.status}`));
    hooks.responseSent.on(({ status: sent, bytesSent }) => void seen.push(`sent ${sent} ${bytesSent}`));
    await ask(proxy.port, get);
    expect(seen).toEqual([
      'connected 127.0.0.1',
      'parsed GET',
      'selected true',
      'received 200',
      'sent 200 2',
    ]);
  });

  it.each(['HTTP/1', 'HTTP/2'])('show no other client’s request to who looks late: %s', async (version) => {
    const { proxy, connect, port } = await startH2();
    const shown: { readonly request: RequestHead }[] = [];
    proxy.engine.hooks.responseSent.on(({ exchange }) => void shown.push(exchange));
    const request = async (path: string): Promise<void> => {
      if (version === 'HTTP/1') return void (await ask(port, get.replace('/', path)));
      const client = await connect();
      await client.result(client.request(h2Get('GET', path)));
      client.destroy();
    };
    await request('/first');
    await request('/second');
    let seen: string[] = [];
    proxy.engine.hooks.requestParsed.on(({ exchange }) => {
      seen = shown.map((one) => (one === exchange ? 'another’s' : one.request.path));
    });
    await request('/third');
    expect(seen).toEqual(['', '']);
  });

  const points = ['requestParsed', 'backendSelected', 'responseReceived'] as const;
  const kinds = ['synchronous', 'asynchronous'] as const;
  const each = points.flatMap((point) => kinds.map((kind) => [point, kind] as const));
  const reply = (
    kind: (typeof kinds)[number],
    answer: LocalAnswer | undefined,
  ): LocalAnswer | undefined | Promise<LocalAnswer | undefined> =>
    kind === 'synchronous' ? answer : new Promise((resolve) => setImmediate(resolve, answer));

  it.each(each)(
    '%s may answer (%s): the backend is left alone or let go, and the connection goes on',
    async (point, kind) => {
      const { backend, proxy } = await startPair((_request, connection) => connection.write(ok('theirs')));
      const remove = proxy.engine.hooks[point].on(() =>
        reply(kind, { status: 418, fields: ['X-Own', '1'], body: 'mine' }),
      );
      const client = await RawClient.connect(proxy.port);
      client.write(get);
      const response = await client.response();
      expect([status(response), response.body.toString(), field(response, 'x-own')]).toEqual([
        418,
        'mine',
        '1',
      ]);
      if (point !== 'responseReceived') expect(backend.requests).toHaveLength(0);
      remove();
      client.write(get);
      expect((await client.responses(2))[1]!.body.toString()).toBe('theirs');
      client.destroy();
    },
  );

  it.each(each)('%s may let it pass (%s), bodies both ways included', async (point, kind) => {
    const body = 'x'.repeat(200_000);
    const { backend, proxy } = await startPair((request, connection) => connection.end(ok(request.body)));
    proxy.engine.hooks[point].on(() => reply(kind, undefined));
    const client = await RawClient.connect(proxy.port);
    for (let i = 1; i <= 3; i++) {
      client.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      expect((await client.responses(i)).at(-1)!.body.toString()).toBe(body);
    }
    expect(backend.requests).toHaveLength(3);
    client.destroy();
  });

  it.each(each)(
    '%s that refuses by throwing (%s): 500 with request id, nothing of the error',
    async (point, kind) => {
      const { proxy } = await startPair();
      proxy.engine.hooks[point].on(
        () => {
          if (kind === 'synchronous') throw new Error('secret');
          return Promise.reject(new Error('secret'));
        },
        { onFailure: 'refuse' },
      );
      const response = await ask(proxy.port, get);
      expect(status(response)).toBe(500);
      expect(field(response, 'x-request-id')).toBeTruthy();
      expect(response.body.toString()).not.toContain('secret');
      expect(proxy.count('hookFailures')).toBe(1);
      expect(proxy.log.lines.filter(({ message }) => message === 'a hook failed')).toHaveLength(1);
    },
  );

  it.each(each)('%s while the client leaves (%s): nothing is left', async (point, kind) => {
    const { proxy } = await startPair();
    let release: (() => void) | undefined;
    let called = 0;
    proxy.engine.hooks[point].on(() => {
      called++;
      return kind === 'synchronous'
        ? undefined
        : new Promise<undefined>((resolve) => (release = () => resolve(undefined)));
    });
    const client = await RawClient.connect(proxy.port);
    client.write(get);
    await until(() => called === 1);
    client.socket.resetAndDestroy();
    await proxy.quiet();
    release?.();
    await turns(10);
    expect(proxy.count('requestsNow')).toBe(0);
    expect(proxy.pools.reduce((sum, pool) => sum + pool.stats().active, 0)).toBe(0);
  });

  it('responseReceived that takes its time while the backend ends or dies: the client gets what there was, or 502', async () => {
    for (const [end, expected] of [
      ['end', 200],
      ['reset', 502],
    ] as const) {
      const { backend, proxy } = await startPair((_request, connection) => {
        connection.write(ok('whole'));
        if (end === 'end') connection.end();
        else setImmediate(() => connection.reset());
      });
      let release: (() => void) | undefined;
      proxy.engine.hooks.responseReceived.on(
        () => new Promise<undefined>((resolve) => (release = () => resolve(undefined))),
      );
      const client = await RawClient.connect(proxy.port);
      client.write(get);
      await until(() => release !== undefined);
      await until(() => end === 'end' || backend.connections[0]!.closed);
      await turns(20);
      release!();
      const response = await client.response();
      expect([200, 502]).toContain(status(response));
      if (end === 'end') expect([expected, response.body.toString()]).toEqual([status(response), 'whole']);
      client.destroy();
    }
  });

  it('fields may be changed on the way to the backend and back', async () => {
    const { backend, proxy } = await startPair();
    proxy.engine.hooks.requestParsed.on(({ request }) => setField(request, 'X-Added', 'yes'));
    proxy.engine.hooks.responseReceived.on(({ response }) => setField(response, 'X-Also', 'yes'));
    const response = await ask(proxy.port, get);
    expect(field(backend.requests[0]!, 'x-added')).toBe('yes');
    expect(field(response, 'x-also')).toBe('yes');
  });

  it('what splits a message is refused where it is written', async () => {
    const { backend, proxy } = await startPair();
    proxy.engine.hooks.requestParsed.on(({ request }) => setField(request, 'X-Added', 'a\r\nX-Evil: 1'));
    expect(status(await ask(proxy.port, get))).toBe(200);
    expect(backend.text).not.toContain('Evil');
    expect(proxy.count('hookFailures')).toBe(1);
  });

  it.each<
    [
      string,
      (request: { fields: string[]; path: string; method: string; host: string; ids: unknown[] }) => void,
    ]
  >([
    ['a value', (request) => void (request.fields[1] = 'a\r\nX-Evil: 1')],
    ['a name', (request) => void (request.fields[0] = 'Host: a\r\nX-Evil')],
    ['the path', (request) => void (request.path = '/ HTTP/1.1\r\nX-Evil: 1\r\n\r\n')],
    ['the method', (request) => void (request.method = 'GET / HTTP/1.1\r\nX-Evil: 1\r\n\r\nGET')],
    ['the host', (request) => void (request.host = 'a\r\nX-Evil: 1')],
    [
      'a second framing',
      (request) => {
        request.fields.push('Content-Length', '5');
        request.ids.push(0);
      },
    ],
  ])('what splits a message behind our back is never forwarded: %s', async (_name, change) => {
    const { backend, proxy } = await startPair();
    proxy.engine.hooks.requestParsed.on(({ request }) => change(request));
    expect(status(await ask(proxy.port, get))).toBe(500);
    expect(backend.connections).toHaveLength(0);
  });

  it('nor relayed', async () => {
    const { proxy } = await startPair();
    proxy.engine.hooks.responseReceived.on(
      ({ response }) => void (response.fields[1] = 'a\r\nSet-Cookie: evil=1'),
    );
    const response = await ask(proxy.port, get);
    expect(status(response)).toBe(500);
    expect(field(response, 'set-cookie')).toBeUndefined();
  });

  it('error and responseSent hear of failures, and their answers are ignored', async () => {
    const { proxy } = await startPair((_request, connection) => connection.end('nonsense\r\n\r\n'));
    const seen: string[] = [];
    proxy.engine.hooks.error.on(({ failure }) => {
      seen.push(failure.code);
      return { status: 200 };
    });
    proxy.engine.hooks.responseSent.on(({ status: sent }) => {
      seen.push(String(sent));
      throw new Error('no');
    });
    expect(status(await ask(proxy.port, get))).toBe(502);
    expect(seen).toEqual(['BACKEND_INVALID', '502']);
  });

  it('connectionEstablished that refuses closes without a word', async () => {
    const { proxy } = await startPair();
    proxy.engine.hooks.connectionEstablished.on(() => ({ status: 403 }));
    const client = await RawClient.connect(proxy.port);
    await client.gone();
    expect(client.text).toBe('');
    client.destroy();
  });
});
