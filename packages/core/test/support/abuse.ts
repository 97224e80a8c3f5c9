import { ok, type BackendSocket, type Handler } from './backend.ts';
import { RawClient } from './client.ts';
import type { Random } from './random.ts';
import { turns } from './wait.ts';

const body = 'x'.repeat(3000);

const requests: readonly string[] = [
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n',
  `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  `PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nbb8\r\n${body}\r\n0\r\nX-T: 1\r\n\r\n`,
  'HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  'GET / HTTP/1.0\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nearly bytes',
  'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody',
  'GET / HTTP/1.1\r\nHost : bad\r\n\r\n',
];

const large = ok('y'.repeat(2_000_000));
const answers: readonly (Buffer | string)[] = [
  ok('small'),
  large,
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
  'HTTP/1.1 200 OK\r\n\r\nuntil the end',
  'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhello',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
  'nonsense',
  '',
];

/** A backend that answers by chance; `dies`: and ends or resets its connections by chance. */
export function chanceful(random: Random, dies: boolean): Handler {
  return (_request, connection) => {
    const answer = random.pick(answers);
    if (random.below(3) === 0) setImmediate(() => connection.write(answer));
    else connection.write(answer);
    if (dies && random.below(2) === 0) void dieSoon(random, connection);
  };
}

async function dieSoon(random: Random, connection: BackendSocket): Promise<void> {
  await turns(random.below(4));
  if (connection.closed) return;
  if (random.below(2) === 0) connection.end();
  else connection.reset();
}

/** One client that sends something in pieces, and leaves in some way at some moment. */
export async function abort(random: Random, port: number): Promise<void> {
  const client = await RawClient.connect(port);
  if (random.below(8) === 0) client.socket.pause();
  const bytes = random.pick(requests);
  const until = random.below(3) === 0 ? random.below(bytes.length) : bytes.length;
  const cut = random.below(until + 1);
  client.write(bytes.slice(0, cut));
  await turns(random.below(3));
  if (!client.closed) client.write(bytes.slice(cut, until));
  await turns(random.below(6));
  const way = random.below(4);
  if (way === 0) client.half();
  if (way === 1) client.socket.resetAndDestroy();
  await turns(random.below(3));
  client.destroy();
}
