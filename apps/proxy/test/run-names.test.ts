import type { ResolvedAddress, Scheduler } from '@rp/balancer';
import { describe, expect, it } from 'vitest';
import type { Upstream } from '../src/config/index.ts';
import { ResolvedBackends } from '../src/run/resolved-backends.ts';
import { valid } from './support.ts';

const upstream = (backends: string, more = ''): Upstream =>
  valid(`listeners: [{ port: 8080 }]\nupstreams: { app: { backends: [${backends}]${more} } }\n`)
    .upstreams[0]!;

/** Time and names in our hands. */
const world = () => {
  const timers = new Map<object, { readonly at: number; readonly run: () => void }>();
  let now = 0;
  const scheduler: Scheduler = {
    now: () => now,
    setTimer: (run, ms) => {
      const timer = {};
      timers.set(timer, { at: now + ms, run });
      return timer;
    },
    clearTimer: (timer) => void timers.delete(timer as object),
  };
  const answers = new Map<string, readonly ResolvedAddress[]>();
  const asked: string[] = [];
  let changes = 0;
  const errors: string[] = [];
  const resolved = new ResolvedBackends({
    scheduler,
    resolver: (name) => {
      asked.push(name);
      const answer = answers.get(name);
      return answer === undefined ? Promise.reject(new Error('SERVFAIL')) : Promise.resolve(answer);
    },
    onChange: () => changes++,
    onError: (error) => errors.push(error.message),
  });
  const pass = async (ms: number): Promise<void> => {
    now += ms;
    for (const [timer, { at, run }] of [...timers]) {
      if (at > now || !timers.delete(timer)) continue;
      run();
    }
    // Look-ups are promises of this test: some turns of the microtask queue are enough.
    for (let i = 0; i < 10; i++) await Promise.resolve();
  };
  const answer = (name: string, ttlSeconds: number, ...addresses: string[]): void =>
    void answers.set(
      name,
      addresses.map((address) => ({ address, ttlSeconds })),
    );
  return { resolved, answers, answer, asked, errors, pass, timers, changes: () => changes };
};

describe('backends by name', () => {
  it('become one backend per address, with the name for TLS and the weight of the configuration', async () => {
    const { resolved, answer } = world();
    answer('app.test', 60, '192.0.2.2', '192.0.2.1', '2001:db8::1');
    const config = upstream(
      '{ url: "https://app.test", weight: 3 }, { url: "http://192.0.2.9:81" }',
      ', algorithm: weighted-round-robin',
    );
    await resolved.follow(config);
    expect(resolved.backendsOf(config)).toEqual([
      { url: 'https://192.0.2.1:443', weight: 3, serverName: 'app.test' },
      { url: 'https://192.0.2.2:443', weight: 3, serverName: 'app.test' },
      { url: 'https://[2001:db8::1]:443', weight: 3, serverName: 'app.test' },
      { url: 'http://192.0.2.9:81', weight: 1 },
    ]);
  });

  it('follow a change when the TTL has passed, and keep the last good answer on failures', async () => {
    const { resolved, answer, answers, asked, errors, pass, changes } = world();
    answer('app.test', 10, '192.0.2.1');
    const config = upstream('{ url: "http://app.test:80" }');
    await resolved.follow(config);
    const [first, urls] = [changes(), () => resolved.backendsOf(config).map(({ url }) => url)];
    answer('app.test', 10, '192.0.2.2');
    await pass(9_999);
    expect([urls(), asked.length]).toEqual([['http://192.0.2.1:80'], 1]);
    await pass(1);
    expect([urls(), asked.length, changes()]).toEqual([['http://192.0.2.2:80'], 2, first + 1]);
    answers.delete('app.test');
    await pass(10_000);
    expect([urls(), errors]).toEqual([['http://192.0.2.2:80'], ['cannot resolve app.test']]);
  });

  it('are looked up at the latest after the interval, and a TTL of 0 floods nobody', async () => {
    const { resolved, answer, asked, pass } = world();
    answer('long.test', 86_400, '192.0.2.1');
    answer('none.test', 0, '192.0.2.2');
    await resolved.follow(
      upstream('{ url: "http://long.test" }, { url: "http://none.test" }', ', dns: { interval: 20s }'),
    );
    for (let second = 0; second < 20; second++) await pass(1_000);
    expect(asked.filter((name) => name === 'long.test')).toHaveLength(2);
    expect(asked.filter((name) => name === 'none.test')).toHaveLength(5);
  });

  it('stand there by name until they are resolved, so that connections look them up', async () => {
    const { resolved } = world();
    const config = upstream('{ url: "http://new.test:8080" }');
    await resolved.follow(config);
    expect(resolved.backendsOf(config)).toEqual([{ url: 'http://new.test:8080', weight: 1 }]);
  });

  it('are not looked up where they are addresses or localhost, and weight 0 takes no traffic', async () => {
    const { resolved, asked } = world();
    const config = upstream(
      '{ url: "http://localhost:1" }, { url: "http://[::1]:2" }, { url: "http://127.0.0.1:3", weight: 0 }',
    );
    await resolved.follow(config);
    expect(asked).toEqual([]);
    expect(resolved.backendsOf(config).map(({ url }) => url)).toEqual([
      'http://localhost:1',
      'http://[::1]:2',
    ]);
  });

  it('that a reload takes out are followed no more; the others keep their answers', async () => {
    const { resolved, answer, asked, timers } = world();
    answer('a.test', 60, '192.0.2.1');
    answer('b.test', 60, '192.0.2.2');
    await resolved.follow(upstream('{ url: "http://a.test" }, { url: "http://b.test" }'));
    const config = upstream('{ url: "http://b.test" }');
    await resolved.follow(config);
    expect([asked, timers.size]).toEqual([['a.test', 'b.test'], 1]);
    expect(resolved.backendsOf(config).map(({ url }) => url)).toEqual(['http://192.0.2.2:80']);
    resolved.stop();
    expect(timers.size).toBe(0);
  });
});
