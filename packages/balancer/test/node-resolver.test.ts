import { nodeResolver } from '@rp/balancer';
import { createSocket, type Socket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const undo of cleanups.splice(0)) undo();
});

const A = 1;
const AAAA = 28;
/** What is answered to one type of question: addresses, an error (RFC 1035 §4.1.1), or nothing ever. */
type Reply = { readonly data: readonly Buffer[] } | { readonly rcode: number } | 'silence';

const four = (last: number): Buffer => Buffer.from([192, 0, 2, last]);
const six = Buffer.from('20010db8000000000000000000000001', 'hex');
const SERVFAIL = 2;
const NXDOMAIN = 3;

/** A name server that answers by type of question, with TTL 17; changes as the test wants. */
class NameServer {
  readonly replies: Map<number, Reply> = new Map();
  readonly #socket: Socket = createSocket('udp4');

  static async start(a: Reply, aaaa: Reply): Promise<NameServer> {
    const server = new NameServer();
    server.replies.set(A, a).set(AAAA, aaaa);
    const socket = server.#socket;
    cleanups.push(() => socket.close());
    socket.on('message', (query, from) => {
      const answer = server.#answer(query);
      if (answer !== undefined) socket.send(answer, from.port, from.address);
    });
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    return server;
  }

  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  #answer(query: Buffer): Buffer | undefined {
    const end = query.indexOf(0, 12) + 5;
    const type = query.readUInt16BE(end - 4);
    const reply = this.replies.get(type) ?? 'silence';
    if (reply === 'silence') return undefined;
    const data = 'data' in reply ? reply.data : [];
    const header = Buffer.from(query.subarray(0, 12));
    header.writeUInt16BE(0x8180 | ('rcode' in reply ? reply.rcode : 0), 2);
    header.writeUInt16BE(data.length, 6);
    header.writeUInt32BE(0, 8);
    const records = data.map((bytes) =>
      Buffer.concat([Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 17, 0, bytes.length]), bytes]),
    );
    return Buffer.concat([header, query.subarray(12, end), ...records]);
  }
}

const none: Reply = { data: [] };
const found = (address: string): { address: string; ttlSeconds: number } => ({ address, ttlSeconds: 17 });
/** Short, since a name server of the test that says nothing is to be waited for. */
const options = { hasIpv6: () => true, timeoutMs: 100 };

function hostsFile(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'rp-hosts-'));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'hosts');
  writeFileSync(file, text);
  return file;
}

test('addresses come with their TTL', async () => {
  const server = await NameServer.start({ data: [four(55)] }, none);
  expect(await nodeResolver([server.address])('app.example')).toEqual([found('192.0.2.55')]);
});

test('every address of both types counts', async () => {
  const server = await NameServer.start({ data: [four(1), four(2), four(3)] }, { data: [six] });
  const resolve = nodeResolver([server.address], options);
  const addresses = (await resolve('app.example')).map(({ address }) => address).sort();
  expect(addresses).toEqual(['192.0.2.1', '192.0.2.2', '192.0.2.3', '2001:db8::1']);
});

test.each([
  ['does not exist', NXDOMAIN, 'ENOTFOUND'],
  ['nobody can look up', SERVFAIL, 'ESERVFAIL'],
])('a name that %s is an error', async (_what, rcode, code) => {
  const server = await NameServer.start({ rcode }, { rcode });
  await expect(nodeResolver([server.address], options)('gone.example')).rejects.toMatchObject({ code });
});

test('a name server that says nothing is an error, in bounded time', async () => {
  const server = await NameServer.start('silence', 'silence');
  const resolve = nodeResolver([server.address], options);
  await expect(resolve('app.example')).rejects.toMatchObject({ code: 'ETIMEOUT' });
});

test.each([
  ['SERVFAIL', { rcode: SERVFAIL }],
  ['silence', 'silence'],
] as const)(
  '%s for one type of record leaves the addresses of it that were known',
  async (_what, failing) => {
    const server = await NameServer.start({ data: [four(1)] }, { data: [six] });
    const resolve = nodeResolver([server.address], options);
    await resolve('app.example');
    server.replies.set(AAAA, failing).set(A, { data: [four(2)] });
    const after = (await resolve('app.example')).map(({ address }) => address);
    expect(after).toEqual(['192.0.2.2', '2001:db8::1']);
    // A name without such records, though, has none any more.
    server.replies.set(AAAA, none);
    expect(await resolve('app.example')).toEqual([found('192.0.2.2')]);
  },
);

test('when neither type is answered, what was known is no answer: the failure is told', async () => {
  const server = await NameServer.start({ data: [four(1)] }, { data: [six] });
  const resolve = nodeResolver([server.address], options);
  await resolve('app.example');
  server.replies.set(A, { rcode: SERVFAIL }).set(AAAA, { rcode: SERVFAIL });
  await expect(resolve('app.example')).rejects.toMatchObject({ code: 'ESERVFAIL' });
});

test('IPv6 addresses do not count on a machine that has none: they would be dead backends', async () => {
  const server = await NameServer.start({ data: [four(1)] }, { data: [six] });
  const resolve = nodeResolver([server.address], { hasIpv6: () => false });
  expect(await resolve('app.example')).toEqual([found('192.0.2.1')]);
  // With nothing else to go by they are better than nothing.
  server.replies.set(A, none);
  expect(await resolve('app.example')).toEqual([found('2001:db8::1')]);
});

test('names of the hosts file come first, whatever their case, and without TTL', async () => {
  const text =
    '# 192.0.2.9 app.example\n192.0.2.7 other App.Example # the app\nbad app.example\n\n::1 app.example\n';
  const resolve = nodeResolver(undefined, { hostsFile: hostsFile(text) });
  expect(await resolve('app.example')).toEqual([
    { address: '192.0.2.7', ttlSeconds: 0 },
    { address: '::1', ttlSeconds: 0 },
  ]);
});

test('the hosts file does not count where name servers are given', async () => {
  const server = await NameServer.start({ data: [four(1)] }, none);
  const resolve = nodeResolver([server.address], { hostsFile: hostsFile('192.0.2.7 app.example\n') });
  expect(await resolve('app.example')).toEqual([found('192.0.2.1')]);
});
