import type { Socket } from 'node:net';
import { RawBackend, completeRequest } from './backend.ts';

/** How a scripted backend treats requests from now on. `/health` is always answered with 200: see `README.md`. */
export type BackendMode = 'ok' | 'error500' | 'reset' | 'trickle' | 'slow';

const BODY = 'z'.repeat(100);
const SLOW_MS = 300;
const TRICKLE_MS = 100;

/** A backend on raw sockets in a process of its own, so that it can be stopped and killed. Its mode comes by message. */
let mode: BackendMode = 'ok';

const answer = (status: string): string =>
  `HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\nContent-Length: ${BODY.length}\r\n\r\n`;

function trickle(socket: Socket, sent: number): void {
  if (socket.destroyed || sent >= BODY.length) return;
  socket.write(BODY[sent] ?? '');
  setTimeout(() => trickle(socket, sent + 1), TRICKLE_MS);
}

const ACTIONS: Readonly<Record<BackendMode, (socket: Socket) => void>> = {
  ok: (socket) => socket.write(answer('200 OK') + BODY),
  error500: (socket) => socket.write(answer('500 Internal Server Error') + BODY),
  reset: (socket) => socket.resetAndDestroy(),
  slow: (socket) => {
    setTimeout(() => socket.write(answer('200 OK') + BODY), SLOW_MS);
  },
  trickle: (socket) => {
    socket.write(answer('200 OK'));
    trickle(socket, 0);
  },
};

const backend = new RawBackend((socket, received) => {
  const request = completeRequest(received);
  if (!request) return 0;
  ACTIONS[request.head.includes(' /health ') ? 'ok' : mode](socket);
  return request.length;
}, false);

process.on('message', (message: BackendMode) => {
  mode = message;
});
await backend.listen(Number(process.argv[2]));
