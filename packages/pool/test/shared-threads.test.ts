import { Worker } from 'node:worker_threads';
import { SharedPermits } from '@rp/pool';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GrabData } from './fixtures/grab.ts';
import type { HammerData } from './fixtures/hammer.ts';

interface Outcome {
  readonly finished: number;
  readonly most: number;
  readonly left: number;
}

async function hammer(
  threads: number,
  max: number,
  concurrency: number,
  seed: number,
  upkeep: boolean,
): Promise<Outcome> {
  const permits = new SharedArrayBuffer(SharedPermits.byteLength(threads, 64));
  const alive = new SharedArrayBuffer(8);
  const workers = Array.from({ length: threads }, (_, thread) => {
    const workerData: HammerData = {
      permits,
      alive,
      threads,
      thread,
      max,
      requests: 300,
      concurrency,
      seed: seed + thread,
      upkeep,
    };
    return new Worker(new URL('./fixtures/hammer.ts', import.meta.url), { workerData });
  });
  const reports = await Promise.all(
    workers.map(
      (worker) =>
        new Promise<{ ended: number }>((resolve, reject) => {
          worker.once('message', resolve);
          worker.once('error', reject);
        }),
    ),
  );
  for (const worker of workers) worker.postMessage('end', []);
  await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve))));
  const counts = new Int32Array(alive);
  return {
    finished: reports.reduce((sum, report) => sum + report.ended, 0),
    most: counts[1] ?? 0,
    left: counts[0] ?? 0,
  };
}

describe('SharedPermits with threads', () => {
  it('never more than the limit, and everybody finishes', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 2, max: 4 }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 6 }),
        fc.nat(),
        fc.boolean(),
        async (threads, max, concurrency, seed, upkeep) => {
          const outcome = await hammer(threads, max, concurrency, seed, upkeep);
          expect(outcome.finished).toBe(threads * 300);
          expect(outcome.most).toBeLessThanOrEqual(max);
          expect(outcome.left).toBe(0);
        },
      ),
      {
        numRuns: 4,
        examples: [
          [4, 1, 3, 1, false],
          [4, 3, 6, 2, false],
        ],
      },
    );
  });

  it('two threads never take the same permit', async () => {
    const permits = new SharedArrayBuffer(SharedPermits.byteLength(2, 8));
    const counts = new SharedArrayBuffer(12);
    const ends = [0, 1].map((thread) => {
      const workerData: GrabData = { permits, counts, threads: 2, thread, max: 1, rounds: 50_000 };
      const worker = new Worker(new URL('./fixtures/grab.ts', import.meta.url), { workerData });
      return new Promise((resolve, reject) => {
        worker.once('exit', resolve);
        worker.once('error', reject);
      });
    });
    expect(await Promise.all(ends)).toEqual([0, 0]);
    expect(new Int32Array(counts)[1]).toBe(1);
    expect(new SharedPermits({ buffer: permits, threads: 2, thread: 0, capacity: 8 }).inUse).toBe(0);
  });

  it('the permits of a thread that was terminated come back with reclaim', async () => {
    const permits = new SharedArrayBuffer(SharedPermits.byteLength(2, 64));
    const workerData: HammerData = {
      permits,
      alive: new SharedArrayBuffer(8),
      threads: 2,
      thread: 1,
      max: 2,
      requests: Infinity,
      concurrency: 4,
      seed: 1,
      upkeep: true,
    };
    const view = new SharedPermits({ buffer: permits, threads: 2, thread: 0, capacity: 64, max: 2 });
    const worker = new Worker(new URL('./fixtures/hammer.ts', import.meta.url), { workerData });
    while (view.inUse === 0) await new Promise((resolve) => setImmediate(resolve));
    await worker.terminate();
    view.reclaim(1);
    expect(view.inUse).toBe(0);
    expect([view.othersWait(), view.tryTake(), view.tryTake(), view.tryTake()]).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });
});
