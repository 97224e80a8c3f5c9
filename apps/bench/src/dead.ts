import { request } from 'node:http';
import { parseArgs } from 'node:util';
import { RawBackend, completeRequest } from './backend.ts';
import { pause } from './faults/watch.ts';
import { Load, type LoadReport, getRequest } from './load.ts';
import { ProcessGroup } from './process.ts';
import { Subject } from './subject.ts';

const USAGE = `usage: node dist/dead.js [--secs 5] [--rate 2000] [--workers 2] [--fault resets|hangs|killed] [--checks on|off]
Three backends that fail all at once, and recover all at once, under GET load at a fixed rate. Prints what share of the
load they saw meanwhile, what clients got and how quickly, and how long after the recovery everybody was served again.
Exit code 1 when the backends saw more than budget × load.`;

const BUDGET = 0.2;
/** What the budget allows besides: what quiet times saved up, and five retries a second. */
const BURST = 50;
const PER_SECOND = 5;
/** Failures that it takes to know that three backends are dead, with two retries each. */
const DETECTION = 3 * 5 * (1 + 2);

type Fault = 'resets' | 'hangs' | 'killed';

/** Three backends in this process, which count the requests that they see. */
class Backends {
  seen = 0;
  checks = 0;
  #fault: Fault | 'none' = 'none';
  readonly ports: number[] = [];
  #all: RawBackend[] = [];

  async start(): Promise<void> {
    this.#all = [0, 1, 2].map(() => this.#backend());
    for (const [i, backend] of this.#all.entries()) {
      const port = await backend.listen(this.ports[i] ?? 0);
      this.ports[i] = port;
    }
  }

  async fail(fault: Fault): Promise<void> {
    this.#fault = fault;
    if (fault === 'killed') await this.close();
  }

  async recover(): Promise<void> {
    const killed = this.#fault === 'killed';
    this.#fault = 'none';
    if (killed) await this.start();
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((backend) => backend.close()));
  }

  #backend(): RawBackend {
    return new RawBackend((socket, received) => {
      const found = completeRequest(received);
      if (found === undefined) return 0;
      if (found.head.includes(' /health ')) this.checks++;
      else this.seen++;
      if (this.#fault === 'none') socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      else if (this.#fault === 'resets') socket.resetAndDestroy();
      return found.length;
    }, false);
  }
}

function retryAfter(port: number): Promise<string> {
  return new Promise((resolve) => {
    const ask = request({ host: '127.0.0.1', port, agent: false }, (response) => {
      response.resume();
      resolve(`${response.statusCode}, Retry-After: ${response.headers['retry-after'] ?? 'none'}`);
    });
    ask.on('error', ({ message }) => resolve(message));
    ask.end();
  });
}

const told = ({ ok, badStatus, failures, p50, p99, max }: LoadReport): string => {
  const kinds = Object.entries({ 200: ok, ...badStatus, ...failures }).map(
    ([kind, count]) => `${kind}: ${count}`,
  );
  return `${kinds.join(', ')}; p50 ${p50.toFixed(1)}, p99 ${p99.toFixed(1)}, max ${max.toFixed(0)} ms`;
};

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      secs: { type: 'string', default: '5' },
      rate: { type: 'string', default: '2000' },
      workers: { type: 'string', default: '2' },
      fault: { type: 'string', default: 'resets' },
      checks: { type: 'string', default: 'on' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) return console.log(USAGE);
  const seconds = Number(values.secs);
  const group = new ProcessGroup();
  const backends = new Backends();
  await backends.start();
  try {
    const options = '    passiveHealth: { ejectionTime: 2s }\n    circuitBreaker: { openTime: 1s }\n';
    const health = values.checks === 'on';
    const plan = {
      backends: backends.ports,
      health,
      workers: Number(values.workers),
      options,
      response: '1s',
    };
    const subject = await Subject.start('rp', group, plan);
    const bytes = getRequest('/', 'localhost');
    const load = new Load({
      host: '127.0.0.1',
      port: subject.port,
      connections: 128,
      pacing: { kind: 'rate', perSecond: Number(values.rate) },
      request: () => bytes,
    });
    await load.start();
    await pause(2000);
    console.log('before:   ', told(load.take()));
    const seenBefore = backends.seen;
    await backends.fail(values.fault as Fault);
    await pause((seconds * 1000) / 2);
    const answer = await retryAfter(subject.port);
    await pause((seconds * 1000) / 2);
    const dead = load.take();
    const seen = backends.seen - seenBefore;
    const all = dead.ok + dead.errors;
    // A connection that was closed while it was idle says nothing of the backend: that replay needs no budget.
    const replays = (await subject.stats())?.get('requests.replays') ?? 0;
    const allowed = BUDGET * all + BURST + PER_SECOND * seconds + DETECTION + replays;
    console.log('dead:     ', told(dead));
    console.log(
      `           backends saw ${seen} of ${all} requests (${((100 * seen) / all).toFixed(1)} %; allowed: ${allowed.toFixed(0)}); one client: ${answer}`,
    );
    const recovered = performance.now();
    await backends.recover();
    let served = Number.NaN;
    for (let look = 0; look < 100 && Number.isNaN(served); look++) {
      await pause(100);
      const { ok, errors } = load.take();
      if (ok > 0 && errors === 0) served = performance.now() - recovered - 100;
    }
    await pause(1000);
    const after = await load.stop();
    const changes = [...((await subject.stats()) ?? [])].filter(([path]) =>
      /backends\.\d+\.stateChanges$/.test(path),
    );
    console.log(`recovered: everybody is served after ${served.toFixed(0)} ms; then ${told(after)}`);
    console.log(`           state changes: ${changes.map(([, count]) => count).join(', ')}`);
    if (seen > allowed) process.exitCode = 1;
  } finally {
    await group.close();
    await backends.close();
  }
}

await main();
