import { type Server, createServer } from 'node:http';
import { type AddressInfo, createServer as createRawServer } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { HeldConnections } from '../src/hold.ts';
import { Load, type LoadOptions, getRequest, postRequest } from '../src/load.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function listen(server: Server | ReturnType<typeof createRawServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(async () => {
    if ('closeAllConnections' in server) server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

/** Resolves when the server has had `count` requests: the end of each test, instead of a time. */
function counting(count: number): { seen: () => void; reached: Promise<void> } {
  let left = count;
  let resolve: () => void = () => undefined;
  const reached = new Promise<void>((done) => {
    resolve = done;
  });
  return { reached, seen: () => void (--left === 0 && resolve()) };
}

const options = (port: number, more: Partial<LoadOptions> = {}): LoadOptions => ({
  host: '127.0.0.1',
  port,
  connections: 4,
  pacing: { kind: 'closed' },
  request: () => getRequest('/', 'localhost'),
  ...more,
});

describe('the load generator', () => {
  test('counts every answer once, over kept connections', async () => {
    const { seen, reached } = counting(200);
    let served = 0;
    let connections = 0;
    const server = createServer((_request, response) => {
      served++;
      response.end('ok', seen);
    });
    server.on('connection', () => connections++);
    const load = new Load(options(await listen(server)));
    await load.start();
    await reached;
    const report = await load.stop();
    expect(report).toMatchObject({ errors: 0, failures: {}, badStatus: {} });
    expect(report.ok).toBe(served);
    expect(connections).toBe(4);
    expect(report.p50).toBeLessThanOrEqual(report.p99);
  });

  test('counts bad statuses, and answers that close the connection are no failures', async () => {
    const { seen, reached } = counting(40);
    let served = 0;
    const server = createServer((_request, response) => {
      served++;
      response.writeHead(served % 2 === 0 ? 503 : 200, { connection: 'close' }).end('x', seen);
    });
    const load = new Load(options(await listen(server)));
    await load.start();
    await reached;
    const report = await load.stop();
    expect(report.failures).toEqual({});
    expect(report.badStatus['503']).toBe(Math.floor(served / 2));
    expect(report.ok + report.errors).toBe(served);
  });

  test('tells a connection that ends before the answer from one that ends inside it', async () => {
    const { seen, reached } = counting(20);
    let turn = 0;
    const server = createRawServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.once('data', () => {
        seen();
        if (turn++ % 2 === 0) socket.resetAndDestroy();
        else socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal');
      });
    });
    const load = new Load(options(await listen(server), { connections: 1, reconnectMs: 0 }));
    await load.start();
    await reached;
    const { failures, ok } = await load.stop();
    expect(ok).toBe(0);
    expect(failures.closedBeforeResponse).toBeGreaterThanOrEqual(9);
    expect(failures.closedMidResponse).toBeGreaterThanOrEqual(9);
    expect((failures.closedBeforeResponse ?? 0) + (failures.closedMidResponse ?? 0)).toBeGreaterThanOrEqual(
      19,
    );
  });

  test('nonsense is malformed, and nobody listening is refused', async () => {
    const { seen, reached } = counting(1);
    const raw = createRawServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.once('data', () => socket.end('hello', seen));
    });
    const load = new Load(options(await listen(raw), { connections: 1, reconnectMs: 60_000 }));
    await load.start();
    await reached;
    expect((await load.stop()).failures).toEqual({ malformed: 1 });
    const gone = createRawServer();
    const port = await listen(gone);
    await closers.pop()?.();
    const nobody = new Load(options(port, { connections: 2, reconnectMs: 60_000 }));
    await nobody.start();
    const report = await nobody.stop();
    expect(report.failures.refused).toBeGreaterThanOrEqual(2);
    expect(report.ok).toBe(0);
  });

  test('at a fixed rate, a stall is charged to every request that was due meanwhile', async () => {
    const { seen, reached } = counting(150);
    let count = 0;
    const server = createServer((_request, response) => {
      seen();
      const answer = (): void => void response.end('ok');
      // The tenth answer comes 300 ms late (the generator's rate is real time, so the stall has to be); with one
      // connection, about 300 requests fall due and wait behind it.
      if (++count === 10) setTimeout(answer, 300);
      else answer();
    });
    const load = new Load(
      options(await listen(server), { connections: 1, pacing: { kind: 'rate', perSecond: 1000 } }),
    );
    await load.start();
    await reached;
    const report = await load.stop();
    expect(report.errors).toBe(0);
    // A generator that waits with sending (coordinated omission) would report one slow answer and 149 fast ones.
    expect(report.p50).toBeGreaterThan(20);
  });

  test('its own lateness is charged to the requests and reported, never hidden', async () => {
    const { seen, reached } = counting(400);
    let count = 0;
    const server = createServer((_request, response) => {
      seen();
      // Server and generator share this thread: both stand still while 200 requests fall due. There are more
      // idle connections than that, so none of them goes through the backlog.
      if (++count === 50) for (const until = performance.now() + 200; performance.now() < until;);
      response.end('ok');
    });
    const load = new Load(
      options(await listen(server), { connections: 300, pacing: { kind: 'rate', perSecond: 1000 } }),
    );
    await load.start();
    await reached;
    const report = await load.stop();
    expect(report.errors).toBe(0);
    expect(report.lateP99).toBeGreaterThan(100);
    expect(report.max).toBeGreaterThan(150);
  });

  test('take starts the counts anew', async () => {
    const { seen, reached } = counting(20);
    const server = createServer((_request, response) => void response.end('ok', seen));
    const load = new Load(options(await listen(server)));
    await load.start();
    await reached;
    const first = load.take();
    await load.stop();
    expect(first.ok).toBeGreaterThan(0);
    expect(load.take().ok).toBe(0);
  });

  test('uploads carry the body they announce', async () => {
    const { seen, reached } = counting(1);
    let size = 0;
    const server = createServer((request, response) => {
      request.on('data', (chunk: Buffer) => {
        size += chunk.length;
      });
      request.on('end', () => response.end('ok', seen));
    });
    const upload = postRequest('/upload', 'localhost', 100_000);
    const load = new Load(options(await listen(server), { connections: 1, request: () => upload }));
    await load.start();
    await reached;
    const { ok } = await load.stop();
    expect(size % 100_000).toBe(0);
    expect(ok).toBeGreaterThan(0);
  });
});

describe('held connections', () => {
  test('all are opened, kept and served again, from several addresses', async () => {
    const from = new Set<string>();
    let connections = 0;
    const server = createServer((_request, response) => void response.end('ok'));
    server.keepAliveTimeout = 60_000;
    server.on('connection', (socket) => {
      connections++;
      from.add(socket.remoteAddress ?? '');
    });
    const held = new HeldConnections({
      host: '127.0.0.1',
      port: await listen(server),
      connections: 150,
      concurrency: 40,
      request: getRequest('/', 'localhost'),
      localAddresses: ['127.0.0.2', '127.0.0.3'],
    });
    expect(await held.open()).toBe(150);
    expect(await held.askAgain()).toBe(150);
    expect([connections, from]).toEqual([150, new Set(['127.0.0.2', '127.0.0.3'])]);
    held.close();
  });

  test('those that the server closed are not counted as served', async () => {
    const server = createServer((_request, response) => void response.end('ok'));
    const port = await listen(server);
    const request = getRequest('/', 'localhost');
    const held = new HeldConnections({
      host: '127.0.0.1',
      port,
      connections: 10,
      request,
      localAddresses: ['127.0.0.1'],
    });
    expect(await held.open()).toBe(10);
    server.closeAllConnections();
    expect(await held.askAgain()).toBe(0);
    held.close();
  });
});
