import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AddressCounts, createAddressCounts } from '../src/run/address-counts.ts';
import { ask, backend, configFor, connection, eventually, startRp } from './run-support.ts';

const fleet = (workers: number, seed = 7) => {
  const memory = createAddressCounts(workers, seed);
  return { memory, counts: Array.from({ length: workers }, (_, at) => new AddressCounts(memory, at)) };
};

describe('connections by address over all workers', () => {
  it('are never counted too low, and are none when all are closed', () => {
    const step = fc.record({ worker: fc.nat(2), address: fc.ipV4() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer(), (steps, seed) => {
        const { counts } = fleet(3, seed);
        for (const { worker, address } of steps) counts[worker]!.opened(address);
        for (const { address } of steps) {
          for (const [at, mine] of counts.entries()) {
            const exact = steps.filter((one) => one.address === address && one.worker !== at).length;
            expect(mine.others(address)).toBeGreaterThanOrEqual(exact);
          }
        }
        for (const { worker, address } of steps) counts[worker]!.closed(address);
        for (const { address } of steps) for (const one of counts) expect(one.others(address)).toBe(0);
      }),
      { numRuns: 30 },
    );
  });

  it('are hardly ever counted too high, with 10,000 of them', () => {
    const { counts } = fleet(2);
    const address = (at: number): string => `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}`;
    for (let at = 0; at < 10_000; at++) counts[0]!.opened(address(at));
    let above = 0;
    for (let at = 20_000; at < 30_000; at++) if (counts[1]!.others(address(at)) > 0) above++;
    expect(above).toBeLessThan(1_500);
    expect(counts[1]!.others(address(5))).toBeLessThanOrEqual(3);
  });

  it('of a dead worker are forgotten', () => {
    const { memory, counts } = fleet(2);
    counts[0]!.opened('192.0.2.1');
    counts[1]!.opened('192.0.2.1');
    AddressCounts.reclaim(memory, 0);
    expect(counts[1]!.others('192.0.2.1')).toBe(0);
    expect(counts[0]!.others('192.0.2.1')).toBe(1);
  });

  it('limit a client of a process with several workers', async () => {
    const { url } = await backend((_request, response) => response.end('ok'));
    const rp = await startRp(configFor([url], 'limits: { perAddress: 5 }\n')).ready();
    for (let i = 0; i < 40; i++) await connection(rp.port);
    const open = await eventually('the counts', async () => {
      const { connections } = await rp.stats();
      return connections.open + connections.refused >= 40 ? connections.open : undefined;
    });
    // Those that two workers accept in the same moment may pass together.
    expect(open).toBeGreaterThanOrEqual(5);
    expect(open).toBeLessThanOrEqual(6);
    const other = await ask(`http://127.0.0.1:${rp.port}/`, { localAddress: '127.0.0.9' });
    expect(other.status).toBe(200);
  });
});
