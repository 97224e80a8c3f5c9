import { randomFillSync } from 'node:crypto';
import tls from 'node:tls';
import { parentPort, workerData } from 'node:worker_threads';
import {
  type StoreMessage,
  TicketInstaller,
  TicketKeySet,
  type TicketKeysMessage,
  TlsServerBinding,
  storeFromMessage,
} from '../../src/index.ts';

/** A worker as a proxy has them: certificates and ticket keys come by message, the server is its own. */
interface WorkerInput {
  readonly store: StoreMessage;
  readonly tickets: TicketKeysMessage;
}

const input = workerData as WorkerInput;
const port = parentPort;
if (port === null) throw new Error('not a worker');
const tickets = new TicketInstaller(TicketKeySet.fromMessage(input.tickets), randomFillSync);
const binding = new TlsServerBinding({ store: storeFromMessage(input.store), now: Date.now, tickets });
const server = tls.createServer(binding.serverOptions(), (socket) => {
  socket.on('error', () => socket.destroy());
  socket.end('hello\n');
});
binding.attach(server);
port.on('message', (message: StoreMessage | TicketKeysMessage) => {
  if (message.kind === 'ticketKeys') tickets.update(TicketKeySet.fromMessage(message));
  else binding.update(storeFromMessage(message));
  port.postMessage('done');
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  port.postMessage(typeof address === 'object' ? address?.port : 0);
});
