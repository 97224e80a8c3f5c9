import http2 from 'node:http2';
import type { Duplex } from 'node:stream';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';

/** `ws` speaks through any duplex stream, once it believes the handshake. */
function attach(socket: WebSocket, stream: http2.Http2Stream): void {
  const duplex: Duplex = Object.assign(stream, { setNoDelay: () => stream });
  (socket as unknown as { setSocket(s: Duplex, head: Buffer, options: object): void }).setSocket(
    duplex,
    Buffer.alloc(0),
    { allowSynchronousEvents: true, maxPayload: 64 * 1024 * 1024, skipUTF8Validation: false },
  );
}

function unattached(server: boolean): WebSocket {
  const socket = new WebSocket(null as unknown as string, undefined, {});
  // Without an address it takes itself for the server's side.
  Reflect.set(socket, '_isServer', server);
  Reflect.set(socket, '_closeTimeout', 10_000);
  Reflect.set(socket, '_autoPong', true);
  return socket;
}

/** A client that speaks WebSocket by extended CONNECT (RFC 8441). */
export function overHttp2(port: number): { socket: WebSocket; session: http2.ClientHttp2Session } {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on('error', () => session.destroy());
  onTestFinished(() => session.destroy());
  const socket = unattached(false);
  session.once('remoteSettings', () => {
    const stream = session.request(
      { ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/echo', 'sec-websocket-version': '13' },
      { endStream: false },
    );
    stream.on('error', () => undefined);
    stream.on('response', (headers) => {
      if (headers[':status'] === 200) attach(socket, stream);
      else socket.emit('error', new Error(`status ${headers[':status']}`));
    });
  });
  return { socket, session };
}

/** The server's end of a WebSocket on a stream that asks for one. */
export function acceptOnStream(stream: http2.ServerHttp2Stream): WebSocket {
  stream.respond({ ':status': 200 });
  const socket = unattached(true);
  attach(socket, stream);
  return socket;
}
