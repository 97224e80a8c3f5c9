import http from 'node:http';
import net from 'node:net';
import { until } from './until.ts';

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
  /** The connection ended before the response did. */
  readonly cut: boolean;
  /** `Cache-Status`. */
  readonly cache: string;
}

export interface Asking {
  readonly method?: string;
  readonly headers?: http.OutgoingHttpHeaders;
  readonly body?: string;
  readonly agent?: http.Agent;
}

/** One request on a connection of its own, unless an agent is given. */
export function ask(port: number, path: string, asking: Asking = {}): Promise<Answer> {
  const { method = 'GET', headers = {}, body, agent = false } = asking;
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, path, method, headers, agent }, (response) => {
      const chunks: Buffer[] = [];
      const done = (cut: boolean): void => {
        const all = Buffer.concat(chunks);
        const cache = String(response.headers['cache-status'] ?? '');
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          body: all,
          text: all.toString(),
          cut,
          cache,
        });
      };
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', () => done(true));
      response.on('end', () => done(!response.complete));
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** A client that writes bytes, and reads only while it wants to. */
export class RawClient {
  readonly socket: net.Socket;
  #chunks: Buffer[] = [];
  ended = false;

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
    socket.on('error', () => (this.ended = true));
    socket.on('close', () => (this.ended = true));
  }

  static connect(port: number): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ host: '127.0.0.1', port }, () => resolve(new RawClient(socket)));
      socket.once('error', reject);
    });
  }

  write(text: string): void {
    this.socket.write(text, 'latin1');
  }

  get text(): string {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0]?.toString('latin1') ?? '';
  }

  get received(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  /** Waits until `part` has arrived so many times. */
  async receives(part: string, times = 1): Promise<string> {
    await until(
      () => this.text.split(part).length > times,
      () => `${times} × ${JSON.stringify(part)} in ${JSON.stringify(this.text.slice(0, 2000))}`,
    );
    return this.text;
  }

  destroy(): void {
    this.socket.resetAndDestroy();
  }
}
