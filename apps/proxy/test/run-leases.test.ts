import fc from 'fast-check';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { ConnectionLeases, leasesByteLength } from '../src/run/connection-leases.ts';

const fleet = (workers: number, limit: number) => {
  const memory = new SharedArrayBuffer(leasesByteLength(workers));
  return {
    memory,
    leases: Array.from({ length: workers }, (_, at) => new ConnectionLeases(memory, at, limit)),
  };
};

describe('places for connections', () => {
  it('are never more than the limit, whatever the workers do', () => {
    const step = fc.record({
      worker: fc.nat(3),
      what: fc.constantFrom('open', 'open', 'open', 'close', 'settle', 'die'),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.array(step, { maxLength: 600 }), (limit, steps) => {
        const { memory, leases } = fleet(4, limit);
        const open = [0, 0, 0, 0];
        for (const { worker, what } of steps) {
          const mine = leases[worker]!;
          if (what === 'open' && mine.hasRoom(open[worker]!)) open[worker]!++;
          else if (what === 'close' && open[worker]! > 0) open[worker]!--;
          else if (what === 'settle') mine.settle(open[worker]!);
          else if (what === 'die') {
            open[worker] = 0;
            ConnectionLeases.reclaim(memory, worker);
          }
          const held = leases.reduce((sum, one) => sum + one.held, 0);
          expect(new Int32Array(memory)[0]).toBe(held);
          expect(held).toBeLessThanOrEqual(limit);
          expect(open.every((count, at) => count <= leases[at]!.held)).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('that nobody uses are there for another worker after its next look', () => {
    const { leases } = fleet(2, 100);
    const [a, b] = leases as [ConnectionLeases, ConnectionLeases];
    for (let open = 0; open < 60; open++) expect(a.hasRoom(open)).toBe(true);
    let open = 0;
    while (b.hasRoom(open)) open++;
    a.settle(60);
    while (b.hasRoom(open)) open++;
    expect(open).toBe(40);
    a.settle(10);
    while (b.hasRoom(open)) open++;
    expect(open).toBe(90);
  });

  it('shrink with a limit that was lowered', () => {
    const { leases } = fleet(1, 100);
    const [a] = leases as [ConnectionLeases];
    for (let open = 0; open < 50; open++) a.hasRoom(open);
    a.limit = 20;
    expect(a.hasRoom(20)).toBe(false);
    a.settle(20);
    expect(a.held).toBe(20);
    expect(a.hasRoom(19)).toBe(true);
  });

  it('are counted right by real threads that take and give at once', async () => {
    const limit = 97;
    const memory = new SharedArrayBuffer(leasesByteLength(3));
    const peak = new Int32Array(new SharedArrayBuffer(8));
    const module = new URL('../src/run/connection-leases.ts', import.meta.url).href;
    const code = `
      const { workerData } = require('node:worker_threads');
      const { memory, peak, module, index } = workerData;
      import(module).then(({ ConnectionLeases }) => {
        const leases = new ConnectionLeases(memory, index, ${limit});
        let open = 0;
        for (let i = 0; i < 60000; i++) {
          if (i % 3 !== 2) {
            if (leases.hasRoom(open)) {
              open++;
              const all = Atomics.add(peak, 0, 1) + 1;
              if (all > Atomics.load(peak, 1)) Atomics.store(peak, 1, all);
            }
          } else if (open > 0) { open--; Atomics.sub(peak, 0, 1); }
          if (i % 500 === 0) leases.settle(open);
          if (i % 5000 === 0) { Atomics.sub(peak, 0, open); open = 0; leases.settle(0); }
        }
        Atomics.sub(peak, 0, open);
        leases.settle(0);
      });`;
    const threads = [0, 1, 2].map(
      (index) => new Worker(code, { eval: true, workerData: { memory, peak, module, index } }),
    );
    await Promise.all(
      threads.map(
        (thread) => new Promise((resolve, reject) => thread.once('exit', resolve).once('error', reject)),
      ),
    );
    expect(peak[0]).toBe(0);
    expect(peak[1]).toBeLessThanOrEqual(limit);
    expect(peak[1]).toBeGreaterThan(limit / 2);
  });
});
