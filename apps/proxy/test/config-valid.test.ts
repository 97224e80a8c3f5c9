import { describe, expect, it } from 'vitest';
import { printConfig } from '../src/config/index.ts';
import { CONTRACT, MINIMAL, valid } from './support.ts';

describe('a valid file', () => {
  it('reads the example of the contract', () => {
    const config = valid(CONTRACT);
    expect(config.listeners).toHaveLength(3);
    expect(config.listeners[1]?.tls?.certificates[0]).toEqual({
      cert: '/etc/rp/certs/a.pem',
      key: '/etc/rp/certs/a.key',
      passphrase: null,
    });
    expect(config.listeners[2]?.redirectToHttps).toEqual({ port: 8443 });
    expect(config.routes).toEqual([{ host: 'app.example.com', path: '/', upstream: 'app', cache: true }]);
    expect(config.upstreams[0]?.retry.budget).toBe(0.2);
    expect(config.admin).toEqual({ address: '127.0.0.1', port: 9901, token: null });
  });

  it('fills in the defaults of the design', () => {
    const config = valid(MINIMAL);
    expect(config.limits).toEqual({
      maxConnections: 10_000,
      onMaxConnections: 'refuse',
      perAddress: 0,
      requestLine: 8 * 1024,
      headers: 32 * 1024,
      headerCount: 100,
      body: 1024 ** 3,
    });
    expect(config.timeouts).toEqual({
      header: 10_000,
      body: 30_000,
      response: 60_000,
      idle: 60_000,
      drain: 30_000,
      connect: 5000,
      write: 30_000,
      tunnel: 600_000,
    });
    const [app] = config.upstreams;
    expect(app?.pool).toMatchObject({ maxConnections: 32, minIdle: 4, maxIdle: 16, idleTimeout: 300_000 });
    expect(app?.pool).toMatchObject({ connectTimeout: 5000, onExhausted: 'queue', queueTimeout: 5000 });
    expect(app?.retry).toEqual({
      attempts: 2,
      statuses: [],
      budget: 0.2,
      minimumPerSecond: 5,
      burst: 50,
      backoff: 25,
      maxBackoff: 1_000,
    });
    expect(config.cache).toMatchObject({
      enabled: false,
      maxSize: 100 * 1024 ** 2,
      maxEntrySize: 10 * 1024 ** 2,
    });
    expect([app?.healthCheck, app?.circuitBreaker, app?.affinity, config.admin]).toEqual([
      null,
      null,
      null,
      null,
    ]);
    expect(config.workers).toBe('auto');
  });

  it('gives health checks their defaults once they are switched on', () => {
    const config = valid(`listeners: [{ port: 0 }]
upstreams: { app: { backends: [{ url: http://a:1 }], healthCheck: {} } }`);
    expect(config.upstreams[0]?.healthCheck).toEqual({
      method: 'GET',
      jitter: 0.1,
      maxInterval: 60_000,
      path: '/',
      host: null,
      interval: 10_000,
      timeout: 5000,
      failureThreshold: 3,
      successThreshold: 2,
      expectStatus: [[200, 399]],
      expectBody: null,
    });
  });

  it('sends everything to the only upstream where there are no routes', () => {
    expect(valid(MINIMAL).defaultUpstream).toBe('app');
    expect(valid(CONTRACT).defaultUpstream).toBeNull();
  });

  it('lowers the default numbers of idle connections to a small pool', () => {
    const pool = (options: string) =>
      valid(
        `listeners: [{ port: 0 }]\nupstreams: { a: { backends: [{ url: http://a:1 }], pool: ${options} } }`,
      ).upstreams[0]?.pool;
    expect(pool('{ maxConnections: 2 }')).toMatchObject({ maxIdle: 2, minIdle: 2 });
    expect(pool('{ maxIdle: 3 }')).toMatchObject({ maxIdle: 3, minIdle: 3 });
    expect(pool('{ maxConnections: 200 }')).toMatchObject({ maxIdle: 16, minIdle: 4 });
  });

  it('takes the connect timeout of a pool from timeouts.connect unless it has one', () => {
    const config = valid(`listeners: [{ port: 0 }]
timeouts: { connect: 2s }
defaultUpstream: a
upstreams:
  a: { backends: [{ url: http://a:1 }] }
  b: { backends: [{ url: http://b:1 }], pool: { connectTimeout: 5s } }`);
    expect(config.upstreams.map(({ pool }) => pool.connectTimeout)).toEqual([2000, 5000]);
  });

  it('takes backend URLs apart and names backends after them', () => {
    const config = valid(`listeners: [{ port: 0 }]
upstreams:
  a:
    backends: [{ url: "http://[::1]:3000/" }, { url: HTTPS://Example.com }, { url: h2c://h, name: third }]`);
    expect(config.upstreams[0]?.backends.map(({ url, name }) => [url, name])).toEqual([
      [{ href: 'http://[::1]:3000', protocol: 'http', host: '::1', port: 3000 }, '[::1]:3000'],
      [{ href: 'HTTPS://Example.com', protocol: 'https', host: 'example.com', port: 443 }, 'example.com:443'],
      [{ href: 'h2c://h', protocol: 'h2c', host: 'h', port: 80 }, 'third'],
    ]);
  });

  it('reads JSON, tabs, comments, a byte order mark, anchors and merge keys', () => {
    expect(
      valid(`{\n\t"listeners": [{"port": 1}],\n\t"upstreams": {"a": {"backends": [{"url": "http://a"}]}}\n}`),
    ).toBeDefined();
    expect(valid(`\uFEFF# comment\n${MINIMAL}`)).toEqual(valid(MINIMAL));
    const merged = valid(`listeners: [{ port: 1 }]
defaultUpstream: b
upstreams:
  a: &a { backends: [{ url: http://a }], algorithm: random }
  b: { <<: *a, allDown: reject }`);
    expect(merged.upstreams[1]).toMatchObject({ name: 'b', algorithm: 'random', allDown: 'reject' });
  });

  it('lets editors find the schema', () => {
    const schema = '"$schema": "https://unpkg.com/@rp/proxy/proxy.schema.json"';
    expect(
      valid(`{${schema}, "listeners":[{"port":1}],"upstreams":{"a":{"backends":[{"url":"http://a"}]}}}`),
    ).toBeDefined();
  });

  it('is deeply frozen and can be posted to a thread', () => {
    const config = valid(CONTRACT);
    expect(Object.isFrozen(config.upstreams[0]?.backends[0]?.url)).toBe(true);
    expect(structuredClone(config)).toEqual(config);
  });

  it('prints itself so that reading it again gives the same', () => {
    const config = valid(CONTRACT);
    expect(valid(printConfig(config))).toEqual(config);
  });

  it('never prints secrets', () => {
    const config = valid(`${MINIMAL}admin: { token: abcdefghijklmnopqrstuvwxyz }`);
    expect(printConfig(config)).not.toContain('abcdef');
    expect(printConfig(config)).toContain('token: "***"');
  });
});
