import { execFileSync, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { decodeProxyHeader } from '@rp/core';
import { ask, backend, configFor, eventually, folder, onCleanup, startRp } from './run-support.ts';

// Needs the Debian packages haproxy and openssl.

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const reachable = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

/** Runs HAProxy in the foreground with these lines after its defaults, until the test has ended. */
async function startHaproxy(port: number, mode: 'http' | 'tcp', lines: string): Promise<void> {
  const file = join(folder(), 'haproxy.cfg');
  writeFileSync(
    file,
    `defaults\n  mode ${mode}\n  timeout connect 5s\n  timeout client 10s\n  timeout server 10s\n${lines}`,
  );
  const child = spawn('haproxy', ['-db', '-f', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const failed = new Promise<never>((_resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`haproxy ended with ${code}: ${said}`)));
  });
  const ended = failed.catch((error: Error) => error.message);
  onCleanup(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  await Promise.race([
    eventually('haproxy listens', async () => (await reachable(port)) || undefined),
    failed,
  ]);
}

/** HAProxy in front of a port, sending headers. */
async function inFront(target: number, send: string, mode: 'http' | 'tcp'): Promise<number> {
  const port = await freePort();
  const lines = `frontend f\n  bind 127.0.0.1:${port}\n  default_backend b\nbackend b\n  server s 127.0.0.1:${target} ${send}\n`;
  await startHaproxy(port, mode, lines);
  return port;
}

/** A backend that answers with its request's fields. */
async function echoBackend(): Promise<string> {
  const { url } = await backend((request, response) => response.end(JSON.stringify(request.headers)));
  return url;
}

const behind = (text: string, listener: string): string =>
  text.replace('{ address: 127.0.0.1, port: 0 }', `{ address: 127.0.0.1, port: 0, ${listener} }`);

/** From another loopback address, which shows that it is the client's that counts. */
const from = { localAddress: '127.0.0.9' };

test.each(['send-proxy', 'send-proxy-v2'])('behind HAProxy with %s, the client is known', async (send) => {
  const rp = await startRp(behind(configFor([await echoBackend()]), 'proxyProtocol: true')).ready();
  const port = await inFront(rp.port, send, 'http');
  const { body, status } = await ask(`http://127.0.0.1:${port}/`, from);
  expect(status).toBe(200);
  expect(JSON.parse(body)).toMatchObject({ 'x-forwarded-for': '127.0.0.9' });
});

test.each(['send-proxy', 'send-proxy-v2'])('behind HAProxy with %s, also before TLS', async (send) => {
  const directory = folder();
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', 'k.pem'];
  execFileSync('openssl', ['req', '-x509', ...key, '-out', 'c.pem', '-days', '9', ...subject], {
    cwd: directory,
    stdio: 'ignore',
  });
  const tls = `tls: { certificates: [{ cert: ${directory}/c.pem, key: ${directory}/k.pem }] }`;
  const rp = await startRp(behind(configFor([await echoBackend()]), `proxyProtocol: true, ${tls}`)).ready();
  const port = await inFront(rp.port, send, 'tcp');
  const body = await new Promise<string>((resolve, reject) => {
    const options = { ...from, port, host: '127.0.0.1', servername: 'localhost', rejectUnauthorized: false };
    https
      .get({ ...options, agent: false }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (more: string) => (text += more));
        response.on('end', () => resolve(text));
      })
      .on('error', reject);
  });
  expect(JSON.parse(body)).toMatchObject({ 'x-forwarded-for': '127.0.0.9', 'x-forwarded-proto': 'https' });
});

test('a listener for PROXY protocol headers says nothing to those who send none, and counts them', async () => {
  const rp = await startRp(behind(configFor([await echoBackend()]), 'proxyProtocol: true')).ready();
  await expect(ask(`http://127.0.0.1:${rp.port}/`)).rejects.toThrow(/socket hang up|ECONNRESET/);
  expect((await rp.said('a PROXY protocol header was refused')).reason).toBe('no PROXY protocol header');
  const { body } = await ask(`${rp.admin}/metrics`);
  expect(body).toMatch(/^rp_proxy_header_failures_total 1$/m);
});

test.each(['v1', 'v2'] as const)('HAProxy as a backend understands our header: %s', async (version) => {
  const port = await freePort();
  const answer =
    'http-request return status 200 content-type text/plain lf-string "%[src]:%[src_port] %[dst_port]"';
  await startHaproxy(port, 'http', `frontend f\n  bind 127.0.0.1:${port} accept-proxy\n  ${answer}\n`);
  const option = `    proxyProtocol: ${version}`;
  const rp = await startRp(configFor([`http://127.0.0.1:${port}`], '', option)).ready();
  for (let i = 0; i < 3; i++) {
    const localPort = await freePort();
    const { body } = await ask(`http://127.0.0.1:${rp.port}/`, { ...from, localPort });
    expect(body).toBe(`127.0.0.9:${localPort} ${rp.port}`);
  }
});

test.each(['v1', 'v2'] as const)(
  'a raw backend gets health checks that speak for ourselves: %s',
  async (version) => {
    const received: Buffer[] = [];
    const server = net.createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.once('data', (chunk) => {
        received.push(Buffer.from(chunk));
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onCleanup(() => server.close());
    const { port } = server.address() as AddressInfo;
    const check = `    proxyProtocol: ${version}\n    healthCheck: { interval: 100ms, timeout: 100ms }`;
    await startRp(configFor([`http://127.0.0.1:${port}`], '', check)).ready();
    const first = await eventually('a check', () => received[0]);
    expect(decodeProxyHeader(first)).toMatchObject({ kind: 'complete', ends: undefined });
  },
);
