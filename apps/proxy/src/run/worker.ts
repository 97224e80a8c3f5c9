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

const worker = new WorkerEngine(birth, (key) => say({ type: 'invalidated', key }));

port.on('message', (message: ToWorker) => {
  switch (message.type) {
    case 'apply':
      return apply(message.snapshot);
    case 'drain':
      return void drain(message.limit);
    case 'logLevel':
      return worker.logLevel(message.level);
    case 'reopenLogs':
      return worker.reopenLogs();
    case 'invalidate':
      return worker.invalidate(message.key);
  }
});

function apply(snapshot: Extract<ToWorker, { type: 'apply' }>['snapshot']): void {
  try {
    worker.apply(snapshot);
    say({ type: 'applied', version: snapshot.version });
  } catch (error) {
    say({ type: 'failed', version: snapshot.version, message: messageOf(error) });
  }
}

async function drain(limit: number): Promise<void> {
  const cut = await worker.drain(limit);
  say({ type: 'drained', cut });
  port.close();
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

try {
  say({ type: 'ready', listening: await worker.listen() });
} catch (error) {
  say({ type: 'failed', version: birth.snapshot.version, message: messageOf(error) });
}
