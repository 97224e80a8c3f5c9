import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Authority } from './acceptance/authority.ts';
import { EchoBackend } from './acceptance/echo-backend.ts';
import { FLOODS, PREFACE, Type, frame, type Flood } from './acceptance/http2-floods.ts';
import { SecureRp } from './acceptance/secure-rp.ts';
import { ProcessGroup } from './process.ts';

const USAGE = `usage: node dist/floods.js [--secs 10] [--attackers 8] [--only NAME]
HTTP/2 clients that flood, cheat with windows, or do not read, against rp; others ask all the while. Prints a JSON line
for each: whether connections were ended, how the others fared, and what memory did. Exits 1 where others were not served,
a connection that floods was not ended, or memory grew.`;

/** Octets that heap and resident memory of the process may grow by under one flood. */
const MAX_HEAP_GROWTH = 48 * 2 ** 20;
const MAX_RESIDENT_GROWTH = 128 * 2 ** 20;

/** One attacker, which comes back when its connection was ended. */
class Attacker {
  readonly #port: number;
  readonly #flood: Flood;
  #socket: Socket | undefined;
  #running = true;
  ended = 0;
  opened = 0;

  constructor(port: number, flood: Flood) {
    this.#port = port;
    this.#flood = flood;
  }

  async run(): Promise<void> {
    while (this.#running) {
      await this.#connection();
      // Against connections that are ended at once it is the listener that would be measured.
      await delay(20);
    }
  }

  stop(): void {
    this.#running = false;
    this.#socket?.destroy();
  }

  async #connection(): Promise<void> {
    const { settings, opening, burst, reads = true } = this.#flood;
    const socket = connect(this.#port, '127.0.0.1');
    this.#socket = socket;
    this.opened++;
    const closed = new Promise<void>((resolve) => {
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        if (this.#running) this.ended++;
        resolve();
      });
    });
    if (reads) socket.resume();
    const acknowledged = frame(Type.settings, 1, 0);
    socket.write(
      Buffer.concat([
        PREFACE,
        frame(Type.settings, 0, 0, settings),
        acknowledged,
        opening?.() ?? Buffer.alloc(0),
      ]),
    );
    if (burst !== undefined) await this.#send(socket, burst);
    await closed;
  }

  async #send(socket: Socket, burst: NonNullable<Flood['burst']>): Promise<void> {
    for (let round = 0; socket.writable; round++) {
      const bytes = burst(round);
      if (bytes === undefined) return;
      socket.write(bytes);
      // Who is not read waits; but looks now and then, so as to notice its end.
      do await delay(socket.writableNeedDrain ? 50 : 1);
      while (socket.writable && socket.writableNeedDrain);
    }
  }
}

/** Somebody else, who only wants an answer now and then. */
class Bystander {
  readonly #url: string;
  #running = true;
  served = 0;
  failed = 0;
  /** Why it was last not served. */
  reason = '';
  readonly #latencies: number[] = [];

  constructor(port: number) {
    this.#url = `http://127.0.0.1:${port}/`;
  }

  async run(): Promise<void> {
    while (this.#running) {
      const began = performance.now();
      const status = await fetch(this.#url, { signal: AbortSignal.timeout(5_000) }).then(
        (response) => response.text().then(() => response.status),
        (error: unknown) => String(error),
      );
      this.#latencies.push(performance.now() - began);
      if (status === 200) this.served++;
      else {
        this.failed++;
        this.reason = String(status);
      }
      await delay(20);
    }
  }

  stop(): void {
    this.#running = false;
  }

  /** Milliseconds. */
  get p99(): number {
    const sorted = this.#latencies.toSorted((a, b) => a - b);
    return Math.round(sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN);
  }
}

async function play(
  rp: SecureRp,
  flood: Flood,
  seconds: number,
  count: number,
): Promise<Record<string, unknown>> {
  const before = await rp.memory();
  const attackers = Array.from({ length: count }, () => new Attacker(rp.clearPort, flood));
  const bystander = new Bystander(rp.clearPort);
  const runs = [...attackers.map((one) => one.run()), bystander.run()];
  let heap = 0;
  let resident = 0;
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    await delay(500);
    const now = await rp.memory();
    heap = Math.max(heap, now.heap - before.heap);
    resident = Math.max(resident, now.resident - before.resident);
  }
  for (const one of attackers) one.stop();
  bystander.stop();
  await Promise.all(runs);
  const ended = attackers.reduce((sum, one) => sum + one.ended, 0);
  const opened = attackers.reduce((sum, one) => sum + one.opened, 0);
  const grew = heap > MAX_HEAP_GROWTH || resident > MAX_RESIDENT_GROWTH;
  const { served, failed: notServed, reason, p99 } = bystander;
  const failed = grew || notServed > 0 || served === 0 || (flood.ends && ended === 0);
  const mib = (octets: number): number => Math.round(octets / 2 ** 20);
  return {
    failed,
    opened,
    ended,
    served,
    notServed,
    reason,
    p99,
    heapMiB: mib(heap),
    residentMiB: mib(resident),
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      secs: { type: 'string', default: '10' },
      attackers: { type: 'string', default: '8' },
      only: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) return console.log(USAGE);
  const group = new ProcessGroup();
  const large = Buffer.alloc(2 * 2 ** 20, 'x');
  const backend = new EchoBackend({
    '/large': (_request, response) => response.end(large),
    '/slow': (_request, response) => void setTimeout(() => response.end('late'), 200),
  });
  try {
    const certificates = [new Authority(group.folder('authority')).issue('localhost')];
    const more = 'timeouts: { header: 2s, write: 3s }\n';
    const url = await backend.listen();
    const rp = await SecureRp.start(group, { certificates, backend: url, workers: 1, more });
    for (const [name, flood] of Object.entries(FLOODS)) {
      if (values.only !== undefined && values.only !== name) continue;
      const outcome = await play(rp, flood, Number(values.secs), Number(values.attackers));
      console.log(JSON.stringify({ flood: name, ...outcome }));
      if (outcome.failed === true) process.exitCode = 1;
    }
  } finally {
    backend.close();
    await group.close();
  }
}

await main();
