import http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export type Handler = (request: http.IncomingMessage, response: http.ServerResponse) => void;

/** A backend whose answers are written by path, and that remembers what it was asked. */
export class CacheBackend {
  readonly #server: http.Server;
  readonly #handlers: Map<string, Handler> = new Map();
  readonly #sockets: Set<Socket> = new Set();
  readonly requests: http.IncomingMessage[] = [];
  port = 0;

  constructor() {
    this.#server = http.createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
      this.requests.push(request);
      response.on('error', () => {});
      const handler = this.#handlers.get(request.url!.split('?')[0]!);
      if (handler === undefined) response.writeHead(404).end();
      else handler(request, response);
    });
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(): Promise<CacheBackend> {
    const backend = new CacheBackend();
    await backend.listen(0);
    return backend;
  }

  async listen(port: number): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
    this.port = (this.#server.address() as AddressInfo).port;
  }

  on(path: string, handler: Handler): void {
    this.#handlers.set(path, handler);
  }

  /** What was asked for `path`, with any query. */
  asked(path: string): http.IncomingMessage[] {
    return this.requests.filter(({ url }) => url!.split('?')[0] === path);
  }

  /** Ends every connection at once, as a process that dies does. */
  kill(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

/** Answers with `body` and these fields, the same each time. */
export const answer =
  (body: string | Buffer, fields: http.OutgoingHttpHeaders = {}, status = 200): Handler =>
  (_request, response) => {
    response.writeHead(status, { 'content-length': Buffer.byteLength(body), ...fields }).end(body);
  };

/** Answers with the number of the request for this path, and these fields. */
export const counting = (fields: http.OutgoingHttpHeaders = {}, status = 200): Handler => {
  let count = 0;
  return (_request, response) => {
    const body = `answer ${++count}`;
    response.writeHead(status, { 'content-length': body.length, ...fields }).end(body);
  };
};
