import {
  type Algorithm,
  AttemptOutcome,
  type BackendOptions,
  BackendTable,
  UpstreamGroup,
} from '@rp/balancer';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { Fleet, urls } from './fleet.ts';

interface Job {
  readonly algorithm: Algorithm;
  readonly backends: readonly BackendOptions[];
  readonly requests: number;
  /** Leaves this many attempts unfinished. */
  readonly unfinished: number;
}

const source = new URL('../src/index.ts', import.meta.url).href;

/** What each worker thread does: plain JavaScript, because a worker does not see the test's modules. */
const program = `
const { parentPort, workerData } = require('node:worker_threads');
const { buffer, worker, job } = workerData;
import(${JSON.stringify(source)}).then(({ BackendTable, UpstreamGroup }) => {
  const table = BackendTable.attach(buffer, worker);
  const group = new UpstreamGroup({ name: 'w', backends: job.backends, algorithm: job.algorithm, table });
  parentPort.once('message', () => {
    const context = { clientAddress: '192.0.2.1', cookie: undefined, now: 1000 };
    const counts = {};
    for (let i = 0; i < job.requests; i++) {
      const backend = group.pick(context, undefined);
      group.started(backend, 1000);
      if (i < job.requests - job.unfinished) group.finished(backend, 0, 1000, 1);
      counts[backend.key] = (counts[backend.key] || 0) + 1;
    }
    parentPort.postMessage({ counts, indexes: group.set.backends.map((backend) => backend.index) });
  });
  parentPort.postMessage('ready');
});
`;

interface Report {
  readonly counts: Record<string, number>;
  readonly indexes: readonly number[];
}

function next(worker: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

/** Runs the job in `workers` real threads at once, numbers 1 and up; 0 is the test. */
async function run(table: BackendTable, workers: number, job: Job): Promise<readonly Report[]> {
  const threads = Array.from({ length: workers }, (_, i) => {
    const workerData = { buffer: table.buffer, worker: i + 1, job };
    return new Worker(program, { eval: true, workerData });
  });
  await Promise.all(threads.map(next));
  const reports = Promise.all(threads.map(next));
  for (const thread of threads) thread.postMessage('go', []);
  const done = await reports;
  await Promise.all(threads.map((thread) => thread.terminate()));
  return done as readonly Report[];
}

function sum(reports: readonly Report[], backends: readonly BackendOptions[]): number[] {
  return backends.map(({ url }) => reports.reduce((total, { counts }) => total + (counts[`${url}`] ?? 0), 0));
}

test('100,000 requests of four threads on three backends are 33,333, 33,333 and 33,334', async () => {
  const table = BackendTable.create({ workers: 5 });
  const job: Job = { algorithm: 'round-robin', backends: urls(3), requests: 25_000, unfinished: 0 };
  const counts = sum(await run(table, 4, job), job.backends);
  expect(counts.reduce((a, b) => a + b, 0)).toBe(100_000);
  expect(counts.sort()).toEqual([33_333, 33_333, 33_334]);
});

test('weights 1:2:3 are exact over two threads, and the counters of all threads add up', async () => {
  const table = BackendTable.create({ workers: 4 });
  const backends = urls(3).map((options, i) => ({ ...options, weight: i + 1 }));
  const job: Job = { algorithm: 'weighted-round-robin', backends, requests: 30_000, unfinished: 0 };
  expect(sum(await run(table, 2, job), backends)).toEqual([10_000, 20_000, 30_000]);
  const fleet = new Fleet({ backends, table });
  expect(fleet.group.statistics().map(({ picked }) => picked)).toEqual([10_000, 20_000, 30_000]);
  expect(fleet.group.statistics().map(({ active }) => active)).toEqual([0, 0, 0]);
});

test('least-connections of three threads leaves the load even and the tree right', async () => {
  const table = BackendTable.create({ workers: 4, capacity: 128 });
  const job: Job = {
    algorithm: 'least-connections',
    backends: urls(100),
    requests: 20_000,
    unfinished: 1_000,
  };
  const reports = await run(table, 3, job);
  expect(new Set(reports.map(({ indexes }) => indexes.join())).size).toBe(1);
  // No group is made here before the look at the root: it would build the tree anew.
  const cells = table.cells;
  const active = (slot: number): number => cells[table.slotCell(slot) + 1] ?? 0;
  const loads = reports[0]?.indexes.map(active) ?? [];
  expect(loads.reduce((a, b) => a + b, 0)).toBe(3_000);
  expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(5);
  expect(active(cells[table.treeCell + 1] ?? -1)).toBe(Math.min(...loads));
});

test('what a dead worker held is taken back', async () => {
  const table = BackendTable.create({ workers: 3 });
  const job: Job = { algorithm: 'least-connections', backends: urls(3), requests: 300, unfinished: 90 };
  await run(table, 2, job);
  const fleet = new Fleet({ table, algorithm: 'least-connections' });
  expect(fleet.group.statistics().reduce((total, { active }) => total + active, 0)).toBe(180);
  fleet.group.reclaim(1);
  expect(fleet.group.statistics().reduce((total, { active }) => total + active, 0)).toBe(90);
  fleet.group.reclaim(2);
  expect(fleet.group.statistics().map(({ active }) => active)).toEqual([0, 0, 0]);
  for (const share of fleet.shares(99)) expect(Math.abs(share - 33)).toBeLessThanOrEqual(2);
});

/** Two threads of one process, without the threads: what one does, the other sees at its next pick. */
function pair(): readonly [Fleet, Fleet] {
  const table = BackendTable.create({ workers: 2 });
  const other = BackendTable.attach(table.buffer, 1);
  return [new Fleet({ table, slowStart: false }), new Fleet({ table: other, slowStart: false })];
}

test('health, ejection and draining are seen by the other threads; each change is reported once', () => {
  const [one, two] = pair();
  one.group.setHealth(one.backend(0), false, 'test', one.now);
  two.group.setHealth(two.backend(0), false, 'test', two.now);
  expect(two.shares(10)).toEqual([0, 5, 5]);
  two.group.setAdministration(two.backend(1), 'draining', 'test', two.now);
  expect(one.shares(10)).toEqual([0, 0, 10]);
  expect(one.changes).toEqual(['0: healthy -> unhealthy (test)']);
  expect(two.changes).toEqual(['1: enabled -> draining (test)']);
});

test('failures seen by two threads count together', () => {
  const [one, two] = pair();
  one.attempt(one.backend(0), AttemptOutcome.reset, 2);
  two.attempt(two.backend(0), AttemptOutcome.reset);
  expect(one.shares(10)[0]).toBe(0);
});

test('the retry budget is one for all threads', () => {
  const [one, two] = pair();
  const options = { retryBudget: { burst: 10, minimumPerSecond: 0 } };
  one.group.update(options);
  two.group.update(options);
  for (let i = 0; i < 100; i++) one.pick();
  for (let i = 0; i < 6; i++) expect(one.group.retryBudget.trySpend(one.now)).toBe(true);
  for (let i = 0; i < 4; i++) expect(two.group.retryBudget.trySpend(one.now)).toBe(true);
  expect(two.group.retryBudget.trySpend(one.now)).toBe(false);
});

test('a buffer that is no table, or a worker that does not exist, is refused', () => {
  expect(() => BackendTable.attach(new SharedArrayBuffer(4_096), 0)).toThrow(/does not hold/);
  expect(() => BackendTable.attach(BackendTable.create().buffer, 1)).toThrow(/worker/);
  expect(
    () => new UpstreamGroup({ name: 'x', backends: urls(3), table: BackendTable.create() }),
  ).not.toThrow();
});
