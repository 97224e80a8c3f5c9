import { spawn, type ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type Rp,
  ask,
  closeServer,
  configFor,
  eventually,
  folder,
  onCleanup,
  startRp,
} from './run-support.ts';

// Needs the Debian package dnsmasq.

/** What dnsmasq ends with where it cannot have its port. */
const PORT_TAKEN = 2;

/** dnsmasq in the foreground, with names of its own and nothing else. */
class Dnsmasq {
  readonly address: string;
  readonly #file: string;
  readonly #child: ChildProcess;

  private constructor(port: number, file: string, child: ChildProcess) {
    this.address = `127.0.0.1:${port}`;
    this.#file = file;
    this.#child = child;
  }

  /** It wants its port for UDP and TCP, and somebody else may get it first: then another one is tried. */
  static async start(ttl: number, addresses: readonly string[], tries = 5): Promise<Dnsmasq> {
    const port = await freeUdpPort();
    const file = join(folder(), 'names');
    writeFileSync(file, lines(addresses));
    const own = ['--keep-in-foreground', '--conf-file=/dev/null', '--pid-file', '--no-resolv', '--no-hosts'];
    const where = ['--listen-address=127.0.0.1', '--bind-interfaces', `--port=${port}`, '--local=/test/'];
    const names = [`--addn-hosts=${file}`, `--local-ttl=${ttl}`, '--user='];
    const child = spawn('dnsmasq', [...own, ...where, ...names], { stdio: 'ignore' });
    const failed = new Promise<never>((_resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`dnsmasq ended with ${code}`)));
    });
    const ended = failed.catch((error: Error) => error.message);
    onCleanup(async () => {
      child.kill('SIGKILL');
      await ended;
    });
    const answered = eventually('dnsmasq answers', () => answers(port));
    const outcome = await Promise.race([answered, failed.catch((error: Error) => error)]);
    if (!(outcome instanceof Error)) return new Dnsmasq(port, file, child);
    if (tries > 1 && outcome.message.endsWith(String(PORT_TAKEN)))
      return Dnsmasq.start(ttl, addresses, tries - 1);
    throw outcome;
  }

  /** Other addresses of `app.test`; none: there is no such name (NXDOMAIN). */
  change(addresses: readonly string[]): void {
    writeFileSync(this.#file, lines(addresses));
    this.#child.kill('SIGHUP');
  }

  /** Says nothing any more, or goes on. */
  stop(stopped: boolean): void {
    this.#child.kill(stopped ? 'SIGSTOP' : 'SIGCONT');
  }
}

const lines = (addresses: readonly string[]): string =>
  addresses.map((address) => `${address} app.test\n`).join('');

async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

/** Whether a question gets any answer. */
function answers(port: number): Promise<boolean | undefined> {
  const socket = createSocket('udp4');
  const query = Buffer.from('0001010000010000000000000361707004746573740000010001', 'hex');
  return new Promise((resolve) => {
    const done = (heard: boolean | undefined): void => {
      socket.removeAllListeners();
      clearTimeout(timer);
      socket.close(() => resolve(heard));
    };
    const timer = setTimeout(() => done(undefined), 100);
    socket.once('message', () => done(true)).once('error', () => done(undefined));
    socket.send(query, port, '127.0.0.1');
  });
}

/** One server on each of these addresses, all on one port; each answers with its address. */
async function servers(addresses: readonly string[]): Promise<number> {
  let port = 0;
  for (const address of addresses) {
    const server = http.createServer((_request, response) => response.end(address));
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, address, resolve));
    onCleanup(() => closeServer(server));
    const bound = server.address();
    port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  }
  return port;
}

async function start(dns: Dnsmasq, port: number): Promise<Rp> {
  const options = `    dns: { interval: 60s, servers: ["${dns.address}"] }`;
  return startRp(configFor([`http://app.test:${port}`], '', options)).ready();
}

const bodies = async (rp: Rp, count: number): Promise<readonly string[]> => {
  const all: string[] = [];
  for (let i = 0; i < count; i++) all.push((await ask(`http://127.0.0.1:${rp.port}/`)).body);
  return all.sort();
};
const urls = async (rp: Rp): Promise<readonly string[]> =>
  (await rp.backends()).map(({ url }) => new URL(url).hostname);

describe('backends by name, with dnsmasq', () => {
  it('every address of a name is a backend, and a change is followed within its TTL', async () => {
    const port = await servers(['127.0.0.1', '127.0.0.2', '127.0.0.3']);
    const ttl = 2;
    const dns = await Dnsmasq.start(ttl, ['127.0.0.1', '127.0.0.2']);
    const rp = await start(dns, port);
    expect(await bodies(rp, 4)).toEqual(['127.0.0.1', '127.0.0.1', '127.0.0.2', '127.0.0.2']);
    dns.change(['127.0.0.3']);
    const changed = performance.now();
    await eventually('the new address', async () => (await urls(rp)).join() === '127.0.0.3');
    // The look-up takes a moment, and the timer of the wait is a little late.
    expect(performance.now() - changed).toBeLessThan(ttl * 1000 + 500);
    expect(await bodies(rp, 4)).toEqual(Array.from({ length: 4 }, () => '127.0.0.3'));
  });

  it('is not asked again before the TTL has passed', async () => {
    const port = await servers(['127.0.0.1', '127.0.0.2']);
    const dns = await Dnsmasq.start(4, ['127.0.0.1']);
    const rp = await start(dns, port);
    const from = performance.now();
    dns.change(['127.0.0.2']);
    await eventually('the new address', async () => (await urls(rp)).join() === '127.0.0.2');
    // The first answer came while rp was starting.
    expect(performance.now() - from).toBeGreaterThan(2_000);
  });

  it('a name server that knows nothing any more, or says nothing, leaves the last good answer', async () => {
    const port = await servers(['127.0.0.1', '127.0.0.2']);
    const dns = await Dnsmasq.start(1, ['127.0.0.1']);
    const rp = await start(dns, port);
    dns.change([]);
    const gone = await rp.said('cannot resolve app.test; the last good answer stays');
    expect(gone).toMatchObject({ code: 'resolveFailed', upstream: 'app' });
    expect(await bodies(rp, 2)).toEqual(['127.0.0.1', '127.0.0.1']);
    dns.stop(true);
    expect(await bodies(rp, 2)).toEqual(['127.0.0.1', '127.0.0.1']);
    dns.change(['127.0.0.2']);
    dns.stop(false);
    await eventually('the new address', async () => (await urls(rp)).join() === '127.0.0.2', 15_000);
    expect(await bodies(rp, 2)).toEqual(['127.0.0.2', '127.0.0.2']);
  });
});
