import { nodeResolver } from '@rp/balancer';
import { createSocket, type Socket } from 'node:dgram';
import { afterEach, expect, test } from 'vitest';

let server: Socket | undefined;

afterEach(() => {
  server?.close();
  server = undefined;
});

/** A name server that gives every A question one address with TTL 17, and no answer to others (RFC 1035). */
async function nameServer(rcode = 0): Promise<string> {
  const socket = createSocket('udp4');
  server = socket;
  socket.on('message', (query, from) => {
    const end = query.indexOf(0, 12) + 5;
    const isA = query.readUInt16BE(end - 4) === 1 && rcode === 0;
    const header = Buffer.from(query.subarray(0, 12));
    header.writeUInt16BE(0x8180 | rcode, 2);
    header.writeUInt16BE(isA ? 1 : 0, 6);
    header.writeUInt32BE(0, 8);
    const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 17, 0, 4, 192, 0, 2, 55]);
    const parts = [header, query.subarray(12, end), ...(isA ? [answer] : [])];
    socket.send(Buffer.concat(parts), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return `127.0.0.1:${socket.address().port}`;
}

test('addresses come with their TTL', async () => {
  const resolve = nodeResolver([await nameServer()]);
  expect(await resolve('app.example')).toEqual([{ address: '192.0.2.55', ttlSeconds: 17 }]);
});

test('a name that does not exist is an error', async () => {
  const resolve = nodeResolver([await nameServer(3)]);
  await expect(resolve('gone.example')).rejects.toMatchObject({ code: 'ENOTFOUND' });
});
