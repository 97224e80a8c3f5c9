import { execFile } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import tls from 'node:tls';

/** A server on a free loopback port that greets with `hello` and ends. */
export async function listen(server: tls.Server): Promise<number> {
  server.on('secureConnection', (socket: tls.TLSSocket) => {
    socket.on('error', () => socket.destroy());
    socket.end('hello\n');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

export async function close(server: tls.Server): Promise<void> {
  if (!server.listening) return;
  server.close();
  await once(server, 'close');
}

/** What `openssl s_client` saw. */
export interface ClientView {
  readonly text: string;
  /** Common name of the server's certificate. */
  readonly subject: string | undefined;
  readonly signature: string | undefined;
  readonly reused: boolean;
  readonly completed: boolean;
  readonly version: string | undefined;
  readonly cipher: string | undefined;
  readonly alert: number | undefined;
}

/** Connects once with `openssl s_client` and waits for the server to end the connection. */
export function sClient(
  port: number,
  serverName: string | undefined,
  ...more: string[]
): Promise<ClientView> {
  const name = serverName === undefined ? ['-noservername'] : ['-servername', serverName];
  const argv = ['s_client', '-connect', `127.0.0.1:${port}`, ...name, '-ign_eof', ...more];
  return new Promise((resolve, reject) => {
    const child = execFile(
      'openssl',
      argv,
      { timeout: 10_000, encoding: 'latin1' },
      (error, stdout, stderr) => {
        if (error !== null && error.code === undefined) reject(error);
        else resolve(view(`${stdout}${stderr}`));
      },
    );
    child.stdin?.end();
  });
}

function view(text: string): ClientView {
  const alert = /SSL alert number (\d+)/.exec(text)?.[1];
  return {
    text,
    subject: /subject=.*?CN ?= ?([^\n,]*)/.exec(text)?.[1],
    signature: /Peer signature type: (.*)/.exec(text)?.[1],
    reused: /^Reused, /m.test(text),
    completed: /^hello$/m.test(text),
    version: /^(?:New|Reused), (TLSv[\d.]+)/m.exec(text)?.[1],
    cipher: /^(?:New|Reused), TLSv[\d.]+, Cipher is (\S+)/m.exec(text)?.[1],
    alert: alert === undefined ? undefined : Number(alert),
  };
}

/** Options of {@link connect} that matter in tests. */
export type ConnectOptions = Omit<tls.ConnectionOptions, 'port' | 'host'>;

/** What a Node client saw: enough to know which certificate came and whether the session was resumed. */
export interface Greeting {
  readonly commonName: string | undefined;
  readonly reused: boolean;
  readonly session: Buffer | undefined;
  readonly text: string;
}

/** Connects with Node, reads until the end. */
export function connect(port: number, options: ConnectOptions = {}): Promise<Greeting> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
    let session: Buffer | undefined;
    let text = '';
    let commonName: string | undefined;
    let reused = false;
    socket.on('session', (data: Buffer) => (session = data));
    socket.on('secureConnect', () => {
      reused = socket.isSessionReused();
      const name: unknown = socket.getPeerCertificate().subject?.CN;
      commonName = typeof name === 'string' ? name : undefined;
    });
    socket.on('data', (data: Buffer) => (text += data.toString('latin1')));
    socket.on('error', reject);
    socket.on('end', () => resolve({ commonName, reused, session, text }));
    socket.on('close', () => resolve({ commonName, reused, session, text }));
  });
}
