import { liveParsers } from '@rp/parser';
import { readdirSync } from 'node:fs';
import type { TestProxy } from './proxy.ts';

/** What an exchange could leave behind. */
export function leftovers(proxy: TestProxy): Record<string, number> {
  const counters = Object.entries(proxy.engine.counters.snapshot()).filter(([name]) => name.endsWith('Now'));
  const stats = proxy.pools.map((pool) => pool.stats());
  return {
    ...Object.fromEntries(counters),
    connections: proxy.engine.connections,
    armed: proxy.engine.runtime.wheel.armed,
    active: stats.reduce((sum, one) => sum + one.active, 0),
    waiting: stats.reduce((sum, one) => sum + one.waiting, 0),
    idleParsers: liveParsers() - stats.reduce((sum, one) => sum + one.idle + one.active, 0),
    descriptors: readdirSync('/proc/self/fd').length,
  };
}
