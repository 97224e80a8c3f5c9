import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import {
  CertificateStore,
  type StoreMessage,
  type TicketKeysMessage,
  TicketKeySet,
  TicketKeys,
  loadCertificate,
  storeFromMessage,
  storeToMessage,
} from '@rp/tls';
import { Authority } from './support/authority.ts';
import { fakeCertificate } from './support/fake-certificate.ts';
import { connect } from './support/wire.ts';

const authority = new Authority();
afterAll(() => authority.close());
const workers: Worker[] = [];
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.terminate();
});
const store = new CertificateStore([
  loadCertificate(authority.issue('default.example')),
  loadCertificate(authority.issue('sni.example', { key: 'rsa' })),
]);

async function start(message: StoreMessage, tickets: TicketKeysMessage) {
  const worker = new Worker(new URL('support/tls-worker.ts', import.meta.url), {
    workerData: { store: message, tickets },
  });
  workers.push(worker);
  const [port] = (await once(worker, 'message')) as [number];
  const send = async (update: StoreMessage | TicketKeysMessage): Promise<void> => {
    const answered = once(worker, 'message');
    worker.postMessage(update, []);
    await answered;
  };
  return { port, send };
}

describe('worker threads', () => {
  it('serve from a message, resume each other’s sessions across a rotation, and take new certificates', async () => {
    const keys = new TicketKeys({ randomFill: randomFillSync, now: () => 0 });
    const message = storeToMessage(store, { version: 1 });
    const one = await start(message, keys.set.toMessage());
    const two = await start(message, keys.set.toMessage());
    for (const version of ['TLSv1.3', 'TLSv1.2'] as const) {
      for (const servername of ['default.example', 'sni.example']) {
        const client = { servername, minVersion: version, maxVersion: version };
        const { session, commonName, text } = await connect(one.port, client);
        expect([commonName, text]).toEqual([servername, 'hello\n']);
        expect(await connect(two.port, { ...client, session })).toMatchObject({
          reused: true,
          text: 'hello\n',
        });
        const rotated = keys.rotate();
        await one.send(rotated.toMessage());
        await two.send(rotated.toMessage());
        expect(await connect(two.port, { ...client, session })).toMatchObject({
          reused: true,
          text: 'hello\n',
        });
      }
    }
    const next = new CertificateStore([loadCertificate(authority.issue('next.example'))]);
    await two.send(storeToMessage(next, { version: 2 }));
    expect((await connect(two.port)).commonName).toBe('next.example');
  });
});

describe('messages', () => {
  it('carry everything that a store knows', () => {
    const copy = storeFromMessage(structuredClone(storeToMessage(store, { version: 7 })));
    expect(copy.names()).toEqual(store.names());
    expect(copy.certificates.map((one) => one.material())).toEqual(
      store.certificates.map((one) => one.material()),
    );
    expect(copy.certificates.map((one) => one.info)).toEqual(store.certificates.map((one) => one.info));
    expect(copy.selectDefault(Date.now()).choice?.ecdsa?.info.subject).toBe('default.example');
  });

  it('leave out keys that a worker does not need, but never its default certificate', () => {
    const all = new CertificateStore([
      fakeCertificate(['a'], { id: 'a' }),
      fakeCertificate(['b'], { id: 'b' }),
    ]);
    const message = storeToMessage(all, { version: 1, filter: ({ names }) => names.includes('a') });
    expect(storeFromMessage(message).names()).toEqual(['a']);
    expect(Buffer.from(message.secrets).includes('key of b')).toBe(false);
    expect(() => storeToMessage(all, { version: 1, filter: ({ names }) => names.includes('b') })).toThrow(
      /default name/,
    );
  });

  it('share one copy of the texts', () => {
    const message = storeToMessage(store, { version: 1 });
    expect(structuredClone(message).secrets).not.toBe(message.secrets);
    expect(message.secrets).toBeInstanceOf(SharedArrayBuffer);
  });

  it('are refused when they are damaged', () => {
    const message = storeToMessage(store, { version: 1 });
    const cut = { ...message, secrets: new SharedArrayBuffer(10) };
    expect(() => storeFromMessage(cut)).toThrow(expect.objectContaining({ code: 'TLS_SNAPSHOT_INVALID' }));
    const other = { ...message, kind: 'other' as 'certificateStore' };
    expect(() => storeFromMessage(other)).toThrow(expect.objectContaining({ code: 'TLS_SNAPSHOT_INVALID' }));
    const tickets = new TicketKeySet(1, [new Uint8Array(48)]).toMessage();
    for (const bad of [
      { ...tickets, count: 2 },
      { ...tickets, count: 0 },
      { ...tickets, secrets: new ArrayBuffer(3) },
    ]) {
      expect(() => TicketKeySet.fromMessage(bad)).toThrow(
        expect.objectContaining({ code: 'TLS_TICKET_KEYS_INVALID' }),
      );
    }
  });
});
