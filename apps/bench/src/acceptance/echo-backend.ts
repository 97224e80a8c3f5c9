import { createHash } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

/** Answers of a backend by path; requests for other paths get `hello`. */
export type Answers = Readonly<
  Record<string, (request: http.IncomingMessage, response: http.ServerResponse) => void>
>;

/** An HTTP/1.1 backend in this process. WebSocket messages below 64 KiB are echoed, frame by frame. */
export class EchoBackend {
  readonly #server: http.Server;
  readonly #answers: Answers;

  constructor(answers: Answers = {}) {
    this.#answers = answers;
    this.#server = http.createServer({ keepAliveTimeout: 60_000 }, (request, response) =>
      this.#answer(request, response),
    );
    this.#server.on('upgrade', (request, socket) => echo(request, socket));
  }

  /** Listens, and returns its URL. */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #answer(request: http.IncomingMessage, response: http.ServerResponse): void {
    const path = (request.url ?? '').split('?')[0] ?? '';
    const answer = this.#answers[path];
    if (answer !== undefined) return answer(request, response);
    response.end('hello');
  }
}

/** RFC 6455 §4.2.2, then frames are sent back without their mask (§5.3). */
function echo(request: http.IncomingMessage, socket: Duplex): void {
  const accept = createHash('sha1')
    .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  let held = Buffer.alloc(0);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk]);
    for (let frame = frameOf(held); frame !== undefined; frame = frameOf(held)) {
      held = held.subarray(frame.octets);
      socket.write(frame.reply);
      if (frame.closes) socket.end();
    }
  });
}

function frameOf(held: Buffer): { octets: number; reply: Buffer; closes: boolean } | undefined {
  if (held.length < 2) return undefined;
  const short = held[1]! & 0x7f;
  const header = short === 126 ? 4 : 2;
  if (held.length < header) return undefined;
  const length = short === 126 ? held.readUInt16BE(2) : short;
  const octets = header + 4 + length;
  if (held.length < octets) return undefined;
  const reply = Buffer.from(held.subarray(0, octets));
  const mask = reply.subarray(header, header + 4);
  for (let i = 0; i < length; i++) reply[header + 4 + i]! ^= mask[i % 4]!;
  reply[1]! &= 0x7f;
  const opcode = reply[0]! & 0x0f;
  // A ping (9) is answered by a pong (10).
  if (opcode === 9) reply[0] = 0x8a;
  return {
    octets,
    reply: Buffer.concat([reply.subarray(0, header), reply.subarray(header + 4)]),
    closes: opcode === 8,
  };
}
