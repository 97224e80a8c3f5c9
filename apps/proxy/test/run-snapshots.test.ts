import { describe, expect, it } from 'vitest';
import { parseConfig, type ProxyConfig } from '../src/config/index.ts';
import { backendOptions } from '../src/run/group-options.ts';
import { changesOf, type Snapshot } from '../src/run/messages.ts';
import { poolFigures, poolTable, poolSums, type PoolFigures } from '../src/run/pool-table.ts';
import { shareUpstreams } from '../src/run/shared-memory.ts';

const configOf = (upstreams: Readonly<Record<string, object>>): ProxyConfig => {
  const routes = Object.keys(upstreams).map((upstream) => ({ path: `/${upstream}`, upstream }));
  const { config, problems } = parseConfig(
    JSON.stringify({ listeners: [{ port: 8080 }], upstreams, routes }),
    {
      env: {},
    },
  );
  expect(problems).toEqual([]);
  return config!;
};
const backends = (...ports: number[]): object => ({
  backends: ports.map((port) => ({ url: `http://127.0.0.1:${port}` })),
});

const next = (before: Snapshot, config: ProxyConfig): Snapshot => ({
  ...before,
  version: before.version + 1,
  config,
  upstreams: shareUpstreams(config, 2, before, (upstream) => upstream.backends.map(backendOptions)),
});
const nothing: Snapshot = {
  version: 0,
  config: configOf({ none: backends(1) }),
  upstreams: [],
  listeners: [],
  secrets: [],
};

describe('a snapshot as workers get it', () => {
  it('says nothing again of upstreams that are the same', () => {
    const first = next(nothing, configOf({ a: backends(1, 2), b: backends(3) }));
    const second = next(first, configOf({ a: backends(1, 2), b: backends(3, 4), c: backends(5) }));
    const changes = changesOf(first, second);
    expect(changes.config.upstreams.map(({ name }) => name)).toEqual(['b', 'c']);
    expect(changes.upstreams.map(({ name, backends: found }) => [name, found.length])).toEqual([
      ['a', 0],
      ['b', 2],
      ['c', 1],
    ]);
    expect(second.upstreams[0]!.revision).toBe(first.upstreams[0]!.revision);
    expect(second.upstreams[1]!.revision).toBe(first.upstreams[1]!.revision + 1);
    expect(second.upstreams.slice(0, 2).map(({ id }) => id)).toEqual(first.upstreams.map(({ id }) => id));
  });

  it('says all of an upstream whose options or memory are others', () => {
    const first = next(nothing, configOf({ a: backends(1), b: backends(2) }));
    const second = next(
      first,
      configOf({
        a: { ...backends(1), algorithm: 'random' },
        b: { ...backends(2), pool: { maxConnections: 1000 } },
      }),
    );
    expect(changesOf(first, second).config.upstreams.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(second.upstreams[0]!.id).toBe(first.upstreams[0]!.id);
    expect(second.upstreams[1]!.id).not.toBe(first.upstreams[1]!.id);
  });
});

describe('figures of pools on their way', () => {
  it('come out as they went in', () => {
    const one = (seed: number): PoolFigures => ({
      ...(Object.fromEntries(poolSums.map((name, at) => [name, seed + at])) as Record<
        (typeof poolSums)[number],
        number
      >),
      backingOff: seed % 2 === 1,
      connectMs: { count: seed, sum: seed * 1.5, max: seed * 2.5 },
    });
    const pools = new Map([
      ['http://a:1', one(3)],
      ['http://b:2', one(40)],
    ]);
    expect(poolFigures(structuredClone(poolTable(pools)))).toEqual(pools);
    expect(poolFigures(poolTable(new Map()))).toEqual(new Map());
  });
});
