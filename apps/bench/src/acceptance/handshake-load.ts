import type { X509Certificate } from 'node:crypto';
import { connect } from 'node:tls';

/** What one connection saw. */
export interface Handshake {
  readonly serial: string;
  readonly names: string;
}

/** One connection with a full handshake and one request. Rejects where any of it fails. */
export function handshake(port: number, ca: string, servername: string): Promise<Handshake> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, ca, servername });
    socket.setTimeout(10_000, () => reject(new Error('timeout')));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
    socket.once('secureConnect', () =>
      socket.write(`GET / HTTP/1.1\r\nHost: ${servername}\r\nConnection: close\r\n\r\n`),
    );
    socket.once('data', (chunk: Buffer) => {
      const certificate = socket.getPeerX509Certificate() as X509Certificate | undefined;
      const served = chunk.toString('latin1').startsWith('HTTP/1.1 200 ');
      if (served && certificate !== undefined)
        resolve({ serial: certificate.serialNumber, names: certificate.subjectAltName ?? '' });
      else reject(new Error(chunk.toString('latin1').slice(0, 40)));
      socket.destroy();
    });
  });
}

/** Handshakes without end on several lanes. */
export class HandshakeLoad {
  done = 0;
  readonly failures: string[] = [];
  #running = true;
  readonly #lanes: readonly Promise<void>[];

  constructor(port: number, ca: string, servername: string, lanes: number) {
    const lane = async (): Promise<void> => {
      while (this.#running) {
        await handshake(port, ca, servername).then(
          () => this.done++,
          (error: Error) => this.failures.push(error.message),
        );
      }
    };
    this.#lanes = Array.from({ length: lanes }, lane);
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#lanes);
  }
}
