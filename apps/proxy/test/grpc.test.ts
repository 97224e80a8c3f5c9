import * as grpc from '@grpc/grpc-js';
import { createHash, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { eventually, onCleanup, startRp } from './run-support.ts';
import { Seen, ask, bytes, echo, startServer } from './support/grpc.ts';

interface Party {
  readonly seen: Seen;
  readonly client: grpc.Client;
}

/** A client, rp in the middle, and a server. */
async function start(): Promise<Party> {
  const seen = new Seen();
  const port = await startServer(seen);
  const rp = await startRp(`listeners: [{ address: 127.0.0.1, port: 0, http2: true, h2c: true }]
workers: 1
upstreams:
  app:
    backends: [{ url: "h2c://127.0.0.1:${port}" }]
log: { access: { enabled: false } }
`).ready();
  const client = new grpc.Client(`127.0.0.1:${rp.port}`, grpc.credentials.createInsecure());
  onCleanup(() => client.close());
  return { seen, client };
}

test('a unary call, with metadata both ways, in the head and in the trailers', async () => {
  const { client, seen } = await start();
  const metadata = new grpc.Metadata();
  metadata.set('authorization', 'Bearer x');
  metadata.set('data-bin', Buffer.from([1, 0, 255]));
  const { error, value, head, status } = await ask(client, Buffer.from('hello'), metadata);
  expect(error).toBeNull();
  expect(value?.toString()).toBe('hello');
  expect(head?.get('in-head')).toEqual(['h']);
  expect(head?.get('in-head-bin')).toEqual([Buffer.from([0, 255, 7])]);
  expect(status.metadata.get('in-trailers')).toEqual(['t']);
  expect(seen.metadata?.get('authorization')).toEqual(['Bearer x']);
  expect(seen.metadata?.get('data-bin')).toEqual([Buffer.from([1, 0, 255])]);
  expect(seen.metadata?.get('x-forwarded-for')).toEqual(['127.0.0.1']);
});

test('a status with its message and metadata, in trailers alone', async () => {
  const { client } = await start();
  const { error } = await ask(client, Buffer.from('fail'));
  expect(error?.code).toBe(grpc.status.FAILED_PRECONDITION);
  expect(error?.details).toBe('no: ä%');
  expect(error?.metadata.get('why')).toEqual(['because']);
});

test('a method that does not exist', async () => {
  const { client } = await start();
  const error = await new Promise<grpc.ServiceError | null>((resolve) => {
    client.makeUnaryRequest('/test.Echo/None', bytes, bytes, Buffer.from('x'), (failure) => resolve(failure));
  });
  expect(error?.code).toBe(grpc.status.UNIMPLEMENTED);
});

test('a large message both ways', async () => {
  const { client } = await start();
  const message = randomBytes(3_000_000);
  const { value } = await ask(client, message);
  expect(value?.equals(message)).toBe(true);
});

test('server streaming: a thousand messages, in order and whole', async () => {
  const { client } = await start();
  const count = Buffer.alloc(4);
  count.writeUInt32BE(1000);
  const call = client.makeServerStreamRequest(echo.download.path, bytes, bytes, count);
  const order: number[] = [];
  call.on('data', (message: Buffer) => order.push(message.readUInt32BE() + (message.length - 10_000)));
  const status = await new Promise<grpc.StatusObject>((resolve) => call.on('status', resolve));
  expect(status.code).toBe(grpc.status.OK);
  expect(order).toEqual(Array.from({ length: 1000 }, (_, i) => i));
});

test('client streaming: all that was sent, then one answer', async () => {
  const { client } = await start();
  const sum = createHash('sha256');
  const digest = await new Promise<Buffer | undefined>((resolve, reject) => {
    const call = client.makeClientStreamRequest<Buffer, Buffer>(
      echo.upload.path,
      bytes,
      bytes,
      (error, value) => (error === null ? resolve(value) : reject(error)),
    );
    for (let i = 0; i < 200; i++) {
      const message = randomBytes(9_000 + i);
      sum.update(message);
      call.write(message);
    }
    call.end();
  });
  expect(digest?.equals(sum.digest())).toBe(true);
});

test('both at once: each answer comes while the request is still open', async () => {
  const { client } = await start();
  const call = client.makeBidiStreamRequest<Buffer, Buffer>(echo.talk.path, bytes, bytes);
  const status = new Promise<grpc.StatusObject>((resolve) => call.on('status', resolve));
  for (let i = 0; i < 20; i++) {
    const answer = new Promise<Buffer>((resolve) => call.once('data', resolve));
    call.write(Buffer.from(`word ${i}`));
    expect((await answer).toString()).toBe(`re: word ${i}`);
  }
  call.end();
  expect((await status).code).toBe(grpc.status.OK);
});

test('a deadline reaches the server, and ends the call on both sides', async () => {
  const { client, seen } = await start();
  const before = performance.now();
  const { error } = await ask(client, Buffer.from('never'), new grpc.Metadata(), {
    deadline: Date.now() + 300,
  });
  expect(error?.code).toBe(grpc.status.DEADLINE_EXCEEDED);
  expect(performance.now() - before).toBeLessThan(2_000);
  expect(seen.deadlines[0]).toBeLessThanOrEqual(300);
  await eventually('the server notices', () => seen.cancelled === 1 || undefined, 1_000);
});

test('a cancelled call is cancelled at the server within a second', async () => {
  const { client, seen } = await start();
  const endless = Buffer.from([255, 255, 255, 255]);
  const down = client.makeServerStreamRequest(echo.download.path, bytes, bytes, endless);
  down.on('error', () => undefined);
  await new Promise((resolve) => down.once('data', resolve));
  down.cancel();
  await eventually('the stream is cancelled', () => seen.cancelled === 1 || undefined, 1_000);
  const talk = client.makeBidiStreamRequest<Buffer, Buffer>(echo.talk.path, bytes, bytes);
  talk.on('error', () => undefined);
  talk.write(Buffer.from('x'));
  await new Promise((resolve) => talk.once('data', resolve));
  talk.cancel();
  await eventually('the talk is cancelled', () => seen.cancelled === 2 || undefined, 1_000);
});

test('many calls at a time share connections', async () => {
  const { client } = await start();
  const answers = await Promise.all(
    Array.from({ length: 300 }, (_, i) => ask(client, Buffer.from(`call ${i}`))),
  );
  expect(answers.map(({ value }) => value?.toString())).toEqual(
    Array.from({ length: 300 }, (_, i) => `call ${i}`),
  );
});
