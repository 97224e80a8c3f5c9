import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

const BIG_CHUNK = Buffer.alloc(64 * 1024, 'rp demo ');
const BIG_BYTES = 100 * 1024 * 1024;
const MAX_DELAY_MS = 10_000;

const pages: readonly (readonly [path: string, what: string])[] = [
  ['/echo', 'the request as the backend saw it'],
  ['/slow?ms=1000', 'an answer that takes its time'],
  ['/stream', 'ten chunks, one every 200 ms'],
  ['/events', 'server-sent events, one a second'],
  ['/big', 'a download of 100 MB'],
  ['/cached', 'an answer that may be cached for 10 seconds'],
];

const home = (name: string, count: number): string => `<!doctype html>
<title>rp demo: ${name}</title>
<body style="font: 1.1rem/1.6 sans-serif; max-width: 40rem; margin: 3rem auto; border-top: .5rem solid ${name}">
<h1>Backend ${name}</h1>
<p>This is answer ${count} of this backend. Reload the page: another backend answers.
<ul>${pages.map(([path, what]) => `<li><a href="${path}">${path}</a>: ${what}`).join('')}</ul>
`;

const sendText = (response: ServerResponse, text: string, type = 'text/plain; charset=utf-8'): void => {
  response.writeHead(200, { 'content-type': type, 'content-length': Buffer.byteLength(text) }).end(text);
};

/** Writes a piece at an interval until there are no more or the client left. */
const trickle = (response: ServerResponse, everyMs: number, next: (count: number) => string | null): void => {
  let count = 0;
  const timer = setInterval(() => {
    const piece = next(++count);
    if (piece === null) response.end();
    else response.write(piece);
  }, everyMs);
  response.once('close', () => clearInterval(timer));
  response.once('finish', () => clearInterval(timer));
};

const sendBig = (response: ServerResponse): void => {
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': BIG_BYTES });
  let left = BIG_BYTES;
  const more = (): void => {
    while (left > 0) {
      left -= BIG_CHUNK.length;
      if (!response.write(BIG_CHUNK)) {
        response.once('drain', more);
        return;
      }
    }
    response.end();
  };
  more();
};

const echo = (request: IncomingMessage, name: string): string => {
  const raw = request.rawHeaders;
  const fields = raw.flatMap((field, index) =>
    index % 2 === 0 ? [`${field}: ${raw[index + 1] ?? ''}`] : [],
  );
  return [`backend: ${name}`, '', `${request.method ?? ''} ${request.url ?? ''}`, ...fields, ''].join('\n');
};

/** A small server that shows what a proxy does; it listens on a free port of the loopback address. */
export class DemoBackend {
  readonly name: string;
  readonly #server: Server;
  #answers = 0;

  constructor(name: string) {
    this.name = name;
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  /** `http://127.0.0.1:port`, once started. */
  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the demo backend is not listening');
    return `http://127.0.0.1:${address.port}`;
  }

  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '127.0.0.1', () => resolve());
    });
  }

  /** Closes at once, with every connection. */
  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    this.#answers++;
    response.setHeader('x-backend', this.name);
    const url = new URL(request.url ?? '/', 'http://demo.invalid');
    switch (url.pathname) {
      case '/':
        this.#home(request, response);
        return;
      case '/echo':
        sendText(response, echo(request, this.name));
        return;
      case '/slow':
        this.#slow(response, Number(url.searchParams.get('ms') ?? 1000));
        return;
      case '/stream':
        response.writeHead(200, { 'content-type': 'text/plain' });
        trickle(response, 200, (count) => (count <= 10 ? `chunk ${count} from ${this.name}\n` : null));
        return;
      case '/events':
        response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
        response.write(`data: hello from ${this.name}\n\n`);
        trickle(response, 1000, (count) => `id: ${count}\ndata: event ${count} from ${this.name}\n\n`);
        return;
      case '/big':
        sendBig(response);
        return;
      case '/cached':
        response.setHeader('cache-control', 'public, max-age=10');
        sendText(response, `made by ${this.name} as its answer ${this.#answers}\n`);
        return;
      default:
        response.writeHead(404, { 'content-type': 'text/plain' }).end('There is nothing here.\n');
    }
  }

  #home(request: IncomingMessage, response: ServerResponse): void {
    if ((request.headers.accept ?? '').includes('text/html')) {
      sendText(response, home(this.name, this.#answers), 'text/html; charset=utf-8');
    } else {
      sendText(response, `Hello from backend ${this.name}, answer ${this.#answers}.\n`);
    }
  }

  #slow(response: ServerResponse, wanted: number): void {
    const ms = Number.isFinite(wanted) ? Math.max(0, Math.min(wanted, MAX_DELAY_MS)) : 1000;
    const timer = setTimeout(() => sendText(response, `${this.name} took ${ms} ms\n`), ms);
    response.once('close', () => clearTimeout(timer));
  }
}
