import {
  BackendTable,
  HealthChecker,
  UpstreamGroup,
  type BackendOptions,
  type Scheduler,
} from '@rp/balancer';
import { describe, expect, it } from 'vitest';
import { diffConfig } from '../src/config/index.ts';
import { backendOptions, groupOptions } from '../src/run/group-options.ts';
import { checkOptions } from '../src/run/upstream-watch.ts';
import { RunningListeners } from '../src/run/listener-plan.ts';
import { settingsOf } from '../src/run/worker-engine.ts';
import { MINIMAL, mistakes, valid } from './support.ts';

const upstream = (options: string, backends = '[{ url: http://127.0.0.1:1 }]'): string =>
  `listeners: [{ port: 1 }]\nupstreams: { app: { backends: ${backends}, ${options} } }\n`;
const groupOf = (options: string) => groupOptions(valid(upstream(options)).upstreams[0]!, []);

const silent: Scheduler = { now: () => 0, setTimer: () => () => {} } as unknown as Scheduler;

describe('what the configuration accepts, the balancer accepts', () => {
  const least = `passiveHealth: { failureThreshold: 1, ejectionTime: 100ms, maxEjectionTime: 100ms, maxEjectionPercent: 0%,
      failureRate: 0%, minimumRequests: 1, window: 100ms, growth: linear, forgetAfter: 1ms, maxLatency: 0s, minRate: 0B },
    circuitBreaker: { failureRate: 0%, minimumRequests: 1, window: 100ms, openTime: 100ms, maxOpenTime: 100ms, halfOpenTrials: 1 },
    healthCheck: { interval: 100ms, jitter: 0%, maxInterval: 100ms, timeout: 10ms, failureThreshold: 1, successThreshold: 1 },
    slowStart: 0s, slowStartShare: 1%, affinity: { by: cookie, ttl: 0s, path: /, sameSite: None },
    retry: { attempts: 0, budget: 0%, minimumPerSecond: 0, burst: 1, backoff: 0s, maxBackoff: 0s }`;
  const most = `passiveHealth: { failureThreshold: 1000, ejectionTime: 1h, maxEjectionTime: 24h, maxEjectionPercent: 100%,
      failureRate: 100%, minimumRequests: 1000000, window: 1h, forgetAfter: 24h, maxLatency: 1h, minRate: 1TB },
    circuitBreaker: { failureRate: 100%, minimumRequests: 1000000, window: 1h, openTime: 1h, maxOpenTime: 24h, halfOpenTrials: 1000 },
    healthCheck: { interval: 24h, jitter: 50%, maxInterval: 24h, timeout: 1h, failureThreshold: 100, successThreshold: 100 },
    slowStart: 1h, slowStartShare: 100%, affinity: { by: cookie, ttl: 8760h, path: /a/b, sameSite: Strict },
    retry: { attempts: 10, budget: 100%, minimumPerSecond: 1000, burst: 100000, backoff: 60s, maxBackoff: 60s }`;

  it.each([
    ['least', least],
    ['most', most],
  ])('at its %s', (_name, options) => {
    const [config] = valid(upstream(options)).upstreams;
    const backends: BackendOptions[] = config!.backends.map(backendOptions);
    const table = BackendTable.create({ workers: 1 });
    const group = new UpstreamGroup({ name: 'app', table, ...groupOptions(config!, backends) });
    const prober = { probe: () => Promise.reject(new Error('no check is made here')) };
    expect(() => new HealthChecker(group, checkOptions(config!.healthCheck!), prober, silent)).not.toThrow();
  });

  it.each(['slowStart: 61m', 'passiveHealth: { ejectionTime: 61m }', 'circuitBreaker: { openTime: 61m }'])(
    'and refuses more: %s',
    (options) => expect(mistakes(upstream(options))).toHaveLength(1),
  );

  it.each(['round-robin', 'weighted-round-robin', 'least-connections', 'ip-hash', 'random', 'peak-ewma'])(
    'every algorithm: %s',
    (algorithm) => {
      const [config] = valid(upstream(`algorithm: ${algorithm}`)).upstreams;
      const backends = config!.backends.map(backendOptions);
      const group = new UpstreamGroup({ name: 'app', ...groupOptions(config!, backends) });
      const context = { clientAddress: '192.0.2.1', cookie: undefined, now: 0 };
      expect(group.pick(context, undefined)?.port).toBe(1);
    },
  );
});

describe('options reach who acts on them', () => {
  it('adaptive weights', () => {
    expect(groupOf('algorithm: weighted-round-robin, adaptiveWeights: true').adaptiveWeights).toBe(true);
    expect(groupOf('slowStart: 0s').adaptiveWeights).toBe(false);
  });

  it('a circuit opens by rate and number of requests only, and closes after all of its trials', () => {
    const breaker = groupOf('circuitBreaker: { failureRate: 30%, minimumRequests: 50, halfOpenTrials: 4 }');
    expect(breaker.circuitBreaker).toMatchObject({
      consecutiveFailures: 1_000,
      errorRate: 0.3,
      minimumRequests: 50,
      halfOpenTrials: 4,
      successThreshold: 4,
    });
  });

  it('what takes a backend out, and for how long', () => {
    const options = `passiveHealth: { failureThreshold: 7, failureRate: 30%, minimumRequests: 9, window: 3s, growth: linear,
      ejectionTime: 2s, maxEjectionTime: 4s, forgetAfter: 8s, maxEjectionPercent: 25%, count5xx: true, maxLatency: 250ms }`;
    expect(groupOf(options)).toMatchObject({
      failures: { status5xx: true, slowMs: 250, windowMs: 3_000 },
      ejection: {
        consecutiveFailures: 7,
        errorRate: 0.3,
        minimumRequests: 9,
        growth: 'linear',
        baseMs: 2_000,
        maxMs: 4_000,
        forgetMs: 8_000,
        maxEjectionPercent: 25,
      },
    });
  });

  it('one window for both, whichever of the two is said', () => {
    const windowOf = (options: string): number | undefined => groupOf(options).failures?.windowMs;
    expect(windowOf('circuitBreaker: { window: 4s }')).toBe(4_000);
    expect(windowOf('circuitBreaker: {}, passiveHealth: { window: 5s }')).toBe(5_000);
    expect(windowOf('circuitBreaker: { window: 6s }, passiveHealth: { window: 6s }')).toBe(6_000);
  });

  it('how long a circuit is open, slow start, the retry budget, and the cookie', () => {
    const options = `circuitBreaker: { openTime: 1s, maxOpenTime: 9s }, slowStart: 5s, slowStartShare: 20%,
      retry: { attempts: 3, budget: 10%, minimumPerSecond: 2, burst: 7, backoff: 5ms, maxBackoff: 50ms },
      affinity: { by: cookie, path: /shop, sameSite: Strict }`;
    expect(groupOf(options)).toMatchObject({
      circuitBreaker: { openMs: 1_000, maxOpenMs: 9_000 },
      slowStart: { windowMs: 5_000, minimumShare: 0.2 },
      retry: { attempts: 3, baseDelayMs: 5, maxDelayMs: 50 },
      retryBudget: { ratio: 0.1, minimumPerSecond: 2, burst: 7 },
      affinity: { by: 'cookie', path: '/shop', sameSite: 'Strict', secure: false },
    });
  });

  it('limits give way to what is said: a longer time open, a longer back-off', () => {
    const [config] = valid(
      upstream('circuitBreaker: { openTime: 1h }, retry: { backoff: 9s }, pool: { backoff: 20s }'),
    ).upstreams;
    expect(config).toMatchObject({
      circuitBreaker: { maxOpenTime: 3_600_000 },
      retry: { maxBackoff: 9_000 },
      pool: { maxBackoff: 20_000 },
    });
  });

  it('how health checks vary and back off', () => {
    const check = (options: string) =>
      checkOptions(valid(upstream(`healthCheck: { ${options} }`)).upstreams[0]!.healthCheck!);
    expect(check('jitter: 25%, maxInterval: 2m')).toMatchObject({ jitter: 0.25, maxIntervalMs: 120_000 });
    expect(check('interval: 2m')).toMatchObject({ intervalMs: 120_000, maxIntervalMs: 120_000 });
  });

  it('forwarding and overload', () => {
    const text = `${MINIMAL}forwarding: { xForwarded: false, forwarded: true, via: edge, requestId: "off" }\noverload: { retryAfter: 9s }\n`;
    const settings = settingsOf(valid(text), () => ({}) as never);
    expect(settings).toMatchObject({
      forwarding: { xForwarded: false, forwarded: true, via: 'edge', requestId: 'off' },
      overloadRetryAfter: 9_000,
    });
  });
});

describe('options that could have no effect are refused', () => {
  it.each([
    ['proxyProtocol: v2', '[{ url: https://a:1 }]', 'http only'],
    ['proxyProtocol: v1', '[{ url: http://a:1 }, { url: h2c://b:1 }]', 'http only'],
    ['adaptiveWeights: true', '[{ url: http://a:1 }]', 'round-robin does not'],
    ['adaptiveWeights: true, algorithm: ip-hash', '[{ url: http://a:1 }]', 'ip-hash does not'],
  ])('%s with %s', (options, backends, expected) => {
    const [mistake, ...others] = mistakes(upstream(options, backends));
    expect(others).toEqual([]);
    expect(mistake!.message).toContain(expected);
  });
});

describe('what a running listener cannot change in place', () => {
  const tls = 'certificates: [{ cert: a.pem, key: a.key }]';
  const listening = (options: string): string =>
    `${MINIMAL.replace('{ port: 8080 }', `{ port: 8080, ${options} }`)}`;

  it.each([
    ['proxyProtocol: true', 'proxyProtocol: false'],
    ['h2c: true', 'h2c: false'],
    [`tls: { ${tls} }`, `tls: { ${tls}, minVersion: TLSv1.3 }`],
    [`tls: { ${tls} }`, `tls: { ${tls}, handshakeTimeout: 1s }`],
    [`tls: { ${tls} }`, `tls: { ${tls}, clientAuth: { mode: optional, ca: ca.pem } }`],
  ])('is changed by another listener on the same socket: from %s to %s', (from, to) => {
    const before = valid(listening(from));
    const after = valid(listening(to));
    expect(diffConfig(before, after).needsRestart).toEqual([]);
    const running = new RunningListeners(before.listeners, true);
    const [old] = running.current;
    const [made] = running.next(after.listeners);
    expect(made).toMatchObject({ place: old!.place, listener: after.listeners[0] });
    expect(made!.id).not.toBe(old!.id);
  });

  it.each([
    ['proxyProtocol: true', 'proxyProtocol: false'],
    [`tls: { ${tls} }`, `tls: { ${tls}, minVersion: TLSv1.3 }`],
  ])('stays where listeners cannot be opened, which is said: from %s to %s', (from, to) => {
    const before = valid(listening(from));
    const after = valid(listening(to));
    expect(diffConfig(before, after, { reopensListeners: false }).needsRestart).not.toEqual([]);
    const running = new RunningListeners(before.listeners, false);
    expect(running.next(after.listeners)).toEqual(running.current);
  });

  it('is not said of what follows: certificates, HSTS', () => {
    const before = valid(listening(`tls: { ${tls} }`));
    const after = valid(listening(`tls: { ${tls}, hsts: {} }`));
    for (const reopens of [true, false]) {
      expect(diffConfig(before, after, { reopensListeners: reopens }).needsRestart).toEqual([]);
      const running = new RunningListeners(before.listeners, reopens);
      expect(running.next(after.listeners)).toEqual([
        { ...running.current[0], listener: after.listeners[0] },
      ]);
    }
  });
});
