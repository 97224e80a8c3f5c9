import * as grpc from '@grpc/grpc-js';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { eventually, folder, onCleanup, startRp } from './run-support.ts';
import { Seen, ask, bytes, echo, startServer } from './support/grpc.ts';

/** A certificate for localhost that is its own authority, made for this test. */
function certificate(): { readonly cert: string; readonly key: string } {
  const directory = folder();
  const cert = join(directory, 'cert.pem');
  const key = join(directory, 'key.pem');
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '60'];
  execFileSync('openssl', ['req', '-x509', ...made, '-keyout', key, '-out', cert, ...names], {
    stdio: 'pipe',
  });
  return { cert, key };
}

test('over TLS on both sides, and across a reload: calls under way end, new ones find the new server', async () => {
  const { cert, key } = certificate();
  const pem = { cert_chain: readFileSync(cert), private_key: readFileSync(key) };
  const credentials = grpc.ServerCredentials.createSsl(null, [pem]);
  const [before, after] = [new Seen(), new Seen()];
  const ports = [await startServer(before, credentials), await startServer(after, credentials)];
  const config = (port: number | undefined): string => `listeners:
  - address: 127.0.0.1
    port: 0
    http2: true
    tls: { certificates: [{ cert: "${cert}", key: "${key}" }] }
workers: 1
upstreams:
  app:
    backends: [{ url: "h2://localhost:${port}" }]
    tls: { ca: "${cert}" }
log: { access: { enabled: false } }
`;
  const rp = await startRp(config(ports[0])).ready();
  const client = new grpc.Client(`localhost:${rp.port}`, grpc.credentials.createSsl(readFileSync(cert)));
  onCleanup(() => client.close());
  expect((await ask(client, Buffer.from('hello'))).value?.toString()).toBe('hello');
  expect(before.metadata?.get('x-forwarded-proto')).toEqual(['https']);

  const talk = client.makeBidiStreamRequest<Buffer, Buffer>(echo.talk.path, bytes, bytes);
  const status = new Promise<grpc.StatusObject>((resolve) => talk.once('status', resolve));
  const said = async (word: string): Promise<string> => {
    const answer = new Promise<Buffer>((resolve) => talk.once('data', resolve));
    talk.write(Buffer.from(word));
    return (await answer).toString();
  };
  expect(await said('before')).toBe('re: before');
  rp.write(config(ports[1]));
  rp.signal('SIGHUP');
  await eventually('the new server is asked', async () => {
    await ask(client, Buffer.from('again'));
    return after.metadata !== undefined || undefined;
  });
  expect(await said('after')).toBe('re: after');
  talk.end();
  expect((await status).code).toBe(grpc.status.OK);
});

test('a backend that is not there: UNAVAILABLE, as gRPC wants it', async () => {
  const rp = await startRp(`listeners: [{ address: 127.0.0.1, port: 0, http2: true, h2c: true }]
workers: 1
upstreams: { app: { backends: [{ url: "h2c://127.0.0.1:1" }] } }
log: { access: { enabled: false } }
`).ready();
  const client = new grpc.Client(`127.0.0.1:${rp.port}`, grpc.credentials.createInsecure());
  onCleanup(() => client.close());
  const { error } = await ask(client, Buffer.from('x'));
  expect(error?.code).toBe(grpc.status.UNAVAILABLE);
});
