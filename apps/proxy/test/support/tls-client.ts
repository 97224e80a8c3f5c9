import tls from 'node:tls';
import { onCleanup } from '../run-support.ts';

/** What a client learned from one connection. */
export interface Shaken {
  readonly name: string;
  readonly serial: string;
  readonly protocol: string;
  readonly alpn: string | false;
  readonly resumed: boolean;
  readonly session: Buffer | undefined;
  /** Name of the key that sealed the ticket; TLS 1.2 only. */
  readonly ticketKey: string;
  readonly response: string;
}

export interface ShakeOptions extends tls.ConnectionOptions {
  /** Leaves the connection open until the test ends. */
  readonly stay?: boolean;
}

/** One connection, one request, all of its response. Rejects where the handshake fails. */
export function shake(port: number, options: ShakeOptions): Promise<Shaken> {
  return new Promise((resolve, reject) => {
    const { stay = false, ...rest } = options;
    const socket = tls.connect({ host: '127.0.0.1', port, servername: 'localhost', ...rest });
    let session: Buffer | undefined;
    let response = '';
    socket.on('session', (given: Buffer) => (session = given));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('closed')));
    socket.on('secureConnect', () => {
      const connection = stay ? 'keep-alive' : 'close';
      socket.write(
        `GET / HTTP/1.1\r\nHost: ${rest.servername ?? 'localhost'}\r\nConnection: ${connection}\r\n\r\n`,
      );
    });
    socket.on('data', (chunk: Buffer) => {
      response += chunk.toString('latin1');
      if (!response.includes('\r\n\r\n')) return;
      // Nothing of a certificate where a session was resumed.
      const { subject, serialNumber } = socket.getPeerCertificate() as Partial<tls.PeerCertificate>;
      resolve({
        name: String(subject?.CN ?? ''),
        serial: serialNumber ?? '',
        protocol: socket.getProtocol() ?? '',
        alpn: socket.alpnProtocol ?? false,
        resumed: socket.isSessionReused(),
        session: session ?? socket.getSession(),
        ticketKey: socket.getTLSTicket()?.subarray(0, 16).toString('hex') ?? '',
        response,
      });
      if (!stay) socket.destroy();
    });
    if (stay) onCleanup(() => socket.destroy());
  });
}
