import { randomFillSync } from 'node:crypto';
import tls from 'node:tls';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import {
  CertificateStore,
  TicketInstaller,
  type TicketKeySet,
  TicketKeys,
  type TicketMode,
  TlsServerBinding,
  type TlsServerBindingOptions,
  loadCertificate,
} from '@rp/tls';
import { Authority } from './support/authority.ts';
import { close, connect, listen, sClient } from './support/wire.ts';

const authority = new Authority();
afterAll(() => authority.close());
const open: tls.Server[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await close(server);
});
const store = new CertificateStore([
  loadCertificate(authority.issue('default.example')),
  loadCertificate(authority.issue('sni.example', { key: 'rsa' })),
]);

/** One worker: a server with an installer of its own, as each thread has it. */
async function worker(
  set: TicketKeySet,
  mode: TicketMode = 'ring',
  more: Partial<TlsServerBindingOptions> = {},
) {
  const tickets = new TicketInstaller(set, randomFillSync, mode);
  const binding = new TlsServerBinding({ store, now: Date.now, tickets, ...more });
  const server = tls.createServer(binding.serverOptions());
  server.on('tlsClientError', () => undefined);
  binding.attach(server);
  open.push(server);
  return { port: await listen(server), tickets, binding, server };
}

function ticketKeys(keepPrevious = 1): TicketKeys {
  return new TicketKeys({ randomFill: randomFillSync, now: () => 0, keepPrevious });
}

const CASES = [
  ['TLSv1.3', undefined],
  ['TLSv1.3', 'sni.example'],
  ['TLSv1.2', undefined],
  ['TLSv1.2', 'sni.example'],
] as const;

describe.each(CASES)('resumption over %s for the name %s', (version, servername) => {
  const client = {
    minVersion: version,
    maxVersion: version,
    ...(servername === undefined ? {} : { servername }),
  };

  it('works across workers that share the keys', async () => {
    const keys = ticketKeys();
    const [one, two] = [await worker(keys.set), await worker(keys.set)];
    const first = await connect(one.port, client);
    expect(first).toMatchObject({ reused: false, session: expect.any(Buffer) as unknown });
    expect(await connect(two.port, { ...client, session: first.session })).toMatchObject({
      reused: true,
      text: 'hello\n',
    });
  });

  it('does not work with a worker that has other keys', async () => {
    const [one, two] = [await worker(ticketKeys().set), await worker(ticketKeys().set)];
    const { session } = await connect(one.port, client);
    expect(await connect(two.port, { ...client, session })).toMatchObject({ reused: false, text: 'hello\n' });
  });

  it('works across a rotation, and the client gets a ticket of the new key', async () => {
    const keys = ticketKeys();
    const [one, two] = [await worker(keys.set), await worker(keys.set)];
    const { session } = await connect(one.port, client);
    const rotated = keys.rotate();
    expect(two.tickets.update(rotated)).toBe(true);
    const renewed = await connect(two.port, { ...client, session });
    expect(renewed.reused).toBe(true);
    // The old key leaves with the next rotation: only the renewed ticket is of use now.
    two.tickets.update(keys.rotate());
    expect((await connect(two.port, { ...client, session })).reused).toBe(false);
    expect((await connect(two.port, { ...client, session: renewed.session ?? session })).reused).toBe(
      renewed.session !== undefined,
    );
  });

  it('survives a swap of certificates', async () => {
    const keys = ticketKeys();
    const { port, binding, tickets } = await worker(keys.set);
    const { session } = await connect(port, client);
    tickets.update(keys.rotate());
    binding.update(new CertificateStore(store.certificates));
    expect((await connect(port, { ...client, session })).reused).toBe(true);
  });

  it('with the public API only, a rotation costs a full handshake and nothing else', async () => {
    const keys = ticketKeys();
    const { port, tickets, server } = await worker(keys.set, 'single');
    expect(tickets.install(server)).toBe('single');
    const { session } = await connect(port, client);
    expect((await connect(port, { ...client, session })).reused).toBe(true);
    tickets.update(keys.rotate());
    expect(await connect(port, { ...client, session })).toMatchObject({ reused: false, text: 'hello\n' });
  });
});

it('keeps several previous keys if asked to', async () => {
  const keys = ticketKeys(3);
  const { port, tickets } = await worker(keys.set);
  const { session } = await connect(port);
  for (let i = 0; i < 3; i += 1) tickets.update(keys.rotate());
  expect((await connect(port, { session })).reused).toBe(true);
  tickets.update(keys.rotate());
  expect((await connect(port, { session })).reused).toBe(false);
});

it('works with openssl s_client as well', async () => {
  const keys = ticketKeys();
  const [one, two] = [await worker(keys.set), await worker(keys.set)];
  for (const version of ['-tls1_3', '-tls1_2']) {
    const file = authority.path(`session${version}.pem`);
    expect(await sClient(one.port, 'sni.example', version, '-sess_out', file)).toMatchObject({
      reused: false,
      completed: true,
    });
    two.tickets.update(keys.rotate());
    expect(await sClient(two.port, 'sni.example', version, '-sess_in', file)).toMatchObject({
      reused: true,
      completed: true,
    });
    one.tickets.update(keys.set);
  }
});

it('uses the ring on this Node: resumption across a rotation depends on it', async () => {
  const { tickets, server } = await worker(ticketKeys().set);
  expect(tickets.install(server)).toBe('ring');
});

it('falls back to the public API where the native callback is missing', () => {
  const calls: Buffer[] = [];
  const server = tls.createServer();
  Reflect.set(server, '_sharedCreds', { context: {} });
  Reflect.set(server, 'setTicketKeys', (keys: Buffer) => calls.push(keys));
  const set = ticketKeys().set;
  expect(new TicketInstaller(set, randomFillSync).install(server)).toBe('single');
  expect(calls).toEqual([set.key(0)]);
});

it('hazard: a session from a listener without client certificates opens none that requires them', async () => {
  const keys = ticketKeys();
  const plain = await worker(keys.set);
  const strict = await worker(keys.set, 'ring', {
    clientAuth: { mode: 'required', authorities: authority.rootPem },
  });
  const client = { maxVersion: 'TLSv1.2' } as const;
  const { session } = await connect(plain.port, client);
  const outcome = await connect(strict.port, { ...client, session }).then(
    ({ text }) => text,
    () => 'refused',
  );
  expect(outcome).not.toBe('hello\n');
});

it('keeps sessions of listeners with different scopes apart', async () => {
  const keys = ticketKeys();
  const [one, two] = [
    await worker(keys.set, 'ring', { sessionScope: 'a' }),
    await worker(keys.set, 'ring', { sessionScope: 'b' }),
  ];
  const { session } = await connect(one.port);
  expect((await connect(two.port, { session })).reused).toBe(false);
  expect((await connect(one.port, { session })).reused).toBe(true);
});
