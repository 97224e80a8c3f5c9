import { describe, expect, it, onTestFinished } from 'vitest';
import { ok } from './support/backend.ts';
import { startCached } from './support/cached.ts';
import { ask, RawClient, status } from './support/client.ts';
import { field } from './support/message.ts';
import { startBackend } from './support/proxy.ts';
import { turns } from './support/wait.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

async function client(port: number): Promise<RawClient> {
  const made = await RawClient.connect(port);
  onTestFinished(() => made.destroy());
  return made;
}

describe('stale-if-error (RFC 5861 §4)', () => {
  const lenient = 'Cache-Control: max-age=60, stale-if-error=600';

  it('when the backend does not answer in time', async () => {
    let silent = false;
    const cached = await startCached(
      (_request, connection) => void (silent || connection.write(ok('body', lenient))),
      {},
      { timeouts: { response: 1000 } },
    );
    await ask(cached.proxy.port, GET);
    cached.at(61);
    silent = true;
    const late = await client(cached.proxy.port);
    late.write(GET);
    await cached.backend.received(2);
    await cached.proxy.advance(1100);
    const answer = await late.response();
    expect([status(answer), field(answer, 'age'), answer.body.toString()]).toEqual([200, '61', 'body']);
    expect(field(answer, 'cache-status')).toBe('rp; hit; ttl=-1; detail=stale-if-error');
  });

  it('when the response breaks off before its head', async () => {
    let broken = false;
    const cached = await startCached((_request, connection) =>
      broken ? connection.end('HTTP/1.1 200') : connection.write(ok('body', lenient)),
    );
    await ask(cached.proxy.port, GET);
    cached.at(61);
    broken = true;
    expect((await ask(cached.proxy.port, GET)).body.toString()).toBe('body');
  });

  it('when nobody listens any more, followers too', async () => {
    const backend = await startBackend((_request, connection) => connection.write(ok('body', lenient)));
    const cached = await startCached(() => {}, {}, { backends: [backend.port] });
    await ask(cached.proxy.port, GET);
    cached.at(61);
    await backend.kill();
    const clients = await Promise.all(Array.from({ length: 5 }, () => client(cached.proxy.port)));
    for (const one of clients) one.write(GET);
    for (const one of clients) {
      const answer = await one.response();
      expect([status(answer), answer.body.toString()]).toEqual([200, 'body']);
    }
  });
});

describe('stale-while-revalidate (RFC 5861 §3)', () => {
  it.each(['HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n', 'HTTP/1.1 200', ''])(
    'the validation gets %j: stale goes on, the next one tries again',
    async (bytes) => {
      let broken = false;
      const cached = await startCached((_request, connection) => {
        if (!broken) connection.write(ok('body', 'Cache-Control: max-age=60, stale-while-revalidate=600'));
        else if (bytes.endsWith('\r\n')) connection.write(bytes);
        else connection.end(bytes);
      });
      await ask(cached.proxy.port, GET);
      cached.at(61);
      broken = true;
      for (let i = 0; i < 3; i++) {
        const before = cached.backend.requests.length;
        const answer = await ask(cached.proxy.port, GET);
        expect([status(answer), answer.body.toString()]).toEqual([200, 'body']);
        await cached.backend.received(before + 1);
        await turns(20);
      }
      broken = false;
      await ask(cached.proxy.port, GET);
      await turns(20);
      expect(field(await ask(cached.proxy.port, GET), 'cache-status')).toBe('rp; hit; ttl=60');
    },
  );
});
