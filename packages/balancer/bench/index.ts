/*
 * ns per attempt (pick + started + finished) for each algorithm, with 3 and 1,000 backends, 64 attempts in
 * flight, and of the decision functions. Run: node bench/index.ts [algorithm]
 */
import { type Algorithm, AttemptOutcome, type Backend, UpstreamGroup } from '../src/index.ts';

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

/** Median of five rounds. */
function measure(rounds: number, run: (count: number) => void): number {
  run(rounds);
  const times = Array.from({ length: 5 }, () => {
    const start = process.hrtime.bigint();
    run(rounds);
    return Number(process.hrtime.bigint() - start) / rounds;
  });
  return times.sort((a, b) => a - b)[2] ?? NaN;
}

function attempts(algorithm: Algorithm, size: number, weighted: boolean): number {
  const backends = Array.from({ length: size }, (_, i) => ({
    url: `http://10.0.${i >> 8}.${i & 255}:80`,
    weight: weighted ? 1 + (i % 7) : 1,
  }));
  const group = new UpstreamGroup({ name: 'bench', backends, algorithm });
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
    print(`${algorithm}, ${size} backends`, attempts(algorithm, size, false));
    print(`${algorithm}, ${size} backends, weighted`, attempts(algorithm, size, true));
  }
}
