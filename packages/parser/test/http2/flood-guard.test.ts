import { describe, expect, it } from 'vitest';
import { FloodGuard, FloodKind, floodLimits } from '../../src/http2/index.ts';

describe('FloodGuard', () => {
  it.each(Object.entries(FloodKind))('%s: the cap passes within a second, one more does not', (_, kind) => {
    const caps = floodLimits();
    const guard = new FloodGuard(caps, 5000);
    const cap = caps[kind] as number;
    expect(cap).toBeGreaterThan(0);
    for (let count = 0; count < cap; count++) expect(guard.count(kind, 5000 + (count % 999))).toBe(false);
    expect(guard.count(kind, 5999)).toBe(true);
  });
  it('counts anew after a second, and each kind for itself', () => {
    const guard = new FloodGuard(floodLimits({ ping: 2, settings: 1 }), 0);
    expect([guard.count(FloodKind.ping, 0), guard.count(FloodKind.ping, 999)]).toEqual([false, false]);
    expect(guard.count(FloodKind.settings, 999)).toBe(false);
    expect(guard.count(FloodKind.ping, 999)).toBe(true);
    expect(guard.count(FloodKind.ping, 1000)).toBe(false);
    expect(guard.count(FloodKind.settings, 1000)).toBe(false);
  });
  it('DATA that we send explains WINDOW_UPDATEs', () => {
    const guard = new FloodGuard(floodLimits({ windowUpdate: 10 }), 0);
    guard.dataSent(100);
    for (let count = 0; count < 1010; count++) {
      expect(guard.count(FloodKind.windowUpdate, 10)).toBe(false);
    }
    expect(guard.count(FloodKind.windowUpdate, 10)).toBe(true);
  });
  it('Infinity switches a cap off', () => {
    const guard = new FloodGuard(floodLimits({ ping: Infinity }), 0);
    for (let count = 0; count < 10_000; count++) expect(guard.count(FloodKind.ping, 0)).toBe(false);
  });
});
