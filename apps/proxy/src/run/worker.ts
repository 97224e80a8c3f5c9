import { parentPort, workerData } from 'node:worker_threads';
import type { FromWorker, ToWorker, WorkerBirth } from './messages.ts';
import { WorkerEngine } from './worker-engine.ts';

/** Milliseconds between two signs of life. */
const PULSE = 100;

const birth = workerData as WorkerBirth;
const port = parentPort!;
const say = (message: FromWorker): void => port.postMessage(message);

const pulse = new Int32Array(birth.memory.pulse);
setInterval(() => Atomics.add(pulse, 0, 1), PULSE).unref();

let draining = false;
const worker = new WorkerEngine(birth, (key) => say({ type: 'invalidated', key }));

port.on('message', (message: ToWorker) => {
  switch (message.type) {
    case 'apply':
      return void apply(message);
    case 'drain':
      return void drain(message.limit);
    case 'logLevel':
      return worker.logLevel(message.level);
    case 'reopenLogs':
      return worker.reopenLogs();
    case 'invalidate':
      return worker.invalidate(message.key);
    case 'purge':
      return say({ type: 'purged', id: message.id, removed: worker.purge(message.what) });
    case 'report':
      return say({ type: 'reported', id: message.id, report: worker.report() });
  }
});

async function apply({ snapshot, sockets }: Extract<ToWorker, { type: 'apply' }>): Promise<void> {
  try {
    worker.apply(snapshot);
    await worker.listen(sockets);
    say({ type: 'applied', version: snapshot.version });
  } catch (error) {
    say({ type: 'failed', version: snapshot.version, message: messageOf(error) });
  }
}

async function drain(limit: number): Promise<void> {
  draining = true;
  await worker.acceptAll();
  const cut = await worker.drain(limit);
  say({ type: 'drained', cut });
  port.close();
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

try {
  const listening = await worker.listen(birth.sockets);
  // Told to go before it had come: what was opened since is closed again.
  if (draining) worker.engine.close();
  else say({ type: 'ready', listening });
} catch (error) {
  say({ type: 'failed', version: birth.snapshot.version, message: messageOf(error) });
}
