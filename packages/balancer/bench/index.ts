/*
 * ns per attempt (pick + started + finished) for each algorithm, with 3 and 1,000 backends, 64 attempts in
 * flight, and of the decision functions. Run: node bench/index.ts [algorithm]
 */
import {
  type Algorithm,
  AttemptOutcome,
  type Backend,
  BackendTable,
  mayRetry,
  type RetryCircumstances,
  retryOptions,
  UpstreamGroup,
} from '../src/index.ts';

const only = process.argv[2];
const algorithms: readonly Algorithm[] = [
  'round-robin',
  'weighted-round-robin',
  'least-connections',
  'ip-hash',
  'random',
  'peak-ewma',
];

function print(name: string, nanoseconds: number): void {
  process.stdout.write(`${name.padEnd(48)} ${nanoseconds.toFixed(0).padStart(6)} ns/op\n`);
}

/** Median of five rounds, in processor time: what other processes do shows less. */
function measure(rounds: number, run: (count: number) => void): number {
  run(rounds);
  const times = Array.from({ length: 5 }, () => {
    const start = process.cpuUsage();
    run(rounds);
    return (process.cpuUsage(start).user * 1_000) / rounds;
  });
  return times.sort((a, b) => a - b)[2] ?? NaN;
}

function attempts(algorithm: Algorithm, size: number, weighted: boolean, workers: number): number {
  const backends = Array.from({ length: size }, (_, i) => ({
    url: `http://10.0.${i >> 8}.${i & 255}:80`,
    weight: weighted ? 1 + (i % 7) : 1,
  }));
  const table = BackendTable.create({ capacity: size, workers });
  const group = new UpstreamGroup({ name: 'bench', backends, algorithm, table });
  const clients = Array.from({ length: 256 }, (_, i) => `192.168.${i}.${(i * 7) & 255}`);
  const context = { clientAddress: '', cookie: undefined, now: 1_000 };
  const flight: (Backend | undefined)[] = Array.from({ length: 64 }, () => undefined);
  let turn = 0;
  return measure(200_000, (count) => {
    for (let i = 0; i < count; i++) {
      turn++;
      const now = 1_000 + Math.floor(turn / 100);
      const place = turn & 63;
      const done = flight[place];
      if (done !== undefined) group.finished(done, AttemptOutcome.success, now, 3);
      context.now = now;
      context.clientAddress = clients[turn & 255] ?? '';
      const backend = group.pick(context, undefined);
      if (backend === undefined) throw new Error('nobody was picked');
      group.started(backend, now);
      flight[place] = backend;
    }
  });
}

for (const algorithm of algorithms) {
  if (only !== undefined && only !== algorithm) continue;
  for (const size of [3, 1_000]) {
    print(`${algorithm}, ${size} backends`, attempts(algorithm, size, false, 1));
    print(`${algorithm}, ${size} backends, weighted`, attempts(algorithm, size, true, 1));
  }
  print(`${algorithm}, 1000 backends, table of 4 workers`, attempts(algorithm, 1_000, false, 4));
}

if (only === undefined) {
  const options = retryOptions(undefined);
  const failed: RetryCircumstances = {
    retryable: 'yes',
    connectionReused: false,
    requestSent: true,
    idempotent: true,
    responseStarted: false,
    bodyReplayable: true,
    attempts: 1,
    budgetAvailable: true,
    otherBackendAvailable: true,
  };
  const decide = (count: number): void => {
    for (let i = 0; i < count; i++) mayRetry(failed, options, 0.5);
  };
  print('mayRetry', measure(200_000, decide));
}
