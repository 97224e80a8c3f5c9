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
  const least = `passiveHealth: { failureThreshold: 1, ejectionTime: 100ms, maxEjectionTime: 100ms, maxEjectionPercent: 0% },
    circuitBreaker: { failureRate: 0%, minimumRequests: 1, window: 100ms, openTime: 100ms, halfOpenTrials: 1 },
    healthCheck: { interval: 100ms, timeout: 10ms, failureThreshold: 1, successThreshold: 1 },
    slowStart: 0s, retry: { attempts: 0, budget: 0%, backoff: 0s }, affinity: { by: cookie, ttl: 0s }`;
  const most = `passiveHealth: { failureThreshold: 1000, ejectionTime: 1h, maxEjectionTime: 24h, maxEjectionPercent: 100% },
    circuitBreaker: { failureRate: 100%, minimumRequests: 1000000, window: 1h, openTime: 1h, halfOpenTrials: 1000 },
    healthCheck: { interval: 24h, timeout: 1h, failureThreshold: 100, successThreshold: 100 },
    slowStart: 1h, retry: { attempts: 10, budget: 100%, backoff: 60s }, affinity: { by: cookie, ttl: 8760h }`;

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

  it('limits.onMaxConnections, which Node cannot do', () => {
    expect(mistakes(`${MINIMAL}limits: { onMaxConnections: pause }\n`)[0]!.path).toBe(
      'limits.onMaxConnections',
    );
  });
});

describe('what a running listener cannot change', () => {
  const tls = 'certificates: [{ cert: a.pem, key: a.key }]';
  const listening = (options: string): string =>
    `${MINIMAL.replace('{ port: 8080 }', `{ port: 8080, ${options} }`)}`;

  it.each([
    ['proxyProtocol: true', 'proxyProtocol: false'],
    ['h2c: true', 'h2c: false'],
    [`tls: { ${tls} }`, `tls: { ${tls}, minVersion: TLSv1.3 }`],
    [`tls: { ${tls} }`, `tls: { ${tls}, handshakeTimeout: 1s }`],
    [`tls: { ${tls} }`, `tls: { ${tls}, clientAuth: { mode: optional, ca: ca.pem } }`],
  ])('is said, and waits for a restart: from %s to %s', (from, to) => {
    const before = valid(listening(from));
    const after = valid(listening(to));
    expect(diffConfig(before, after).needsRestart).not.toEqual([]);
    const running = new RunningListeners(before.listeners);
    running.update(after.listeners);
    expect(running.current).toEqual(before.listeners);
  });

  it('is not said of what follows: certificates, HSTS', () => {
    const before = valid(listening(`tls: { ${tls} }`));
    const after = valid(listening(`tls: { ${tls}, hsts: {} }`));
    expect(diffConfig(before, after).needsRestart).toEqual([]);
    const running = new RunningListeners(before.listeners);
    running.update(after.listeners);
    expect(running.current).toEqual(after.listeners);
  });
});
