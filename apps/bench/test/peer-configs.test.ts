import { describe, expect, test } from 'vitest';
import { staticBackendConfig } from '../src/backend.ts';
import { caddyConfig } from '../src/peers/caddy.ts';
import { haproxyConfig } from '../src/peers/haproxy.ts';
import { PEERS, peersByName } from '../src/peers/index.ts';
import { type ConfigContext, nginxConfig } from '../src/peers/nginx.ts';
import { rpConfig } from '../src/peers/rp.ts';
import { varnishConfig } from '../src/peers/varnish.ts';
import { nginxSubjectConfig, rpSubjectConfig } from '../src/subject.ts';

const plain: ConfigContext = {
  folder: '/tmp/x',
  port: 8080,
  adminPort: 9901,
  backends: [9001, 9002],
  tls: undefined,
  http2: false,
  cache: false,
};
const tls = { cert: '/c.pem', key: '/k.pem', combined: '/both.pem' };
const writers = { nginx: nginxConfig, haproxy: haproxyConfig, caddy: caddyConfig, rp: rpConfig };

describe.each(Object.entries(writers))('the configuration of %s', (_name, write) => {
  test('names its port and every backend, on loopback only', () => {
    const text = write(plain);
    for (const port of [8080, 9001, 9002]) expect(text).toContain(String(port));
    expect(text).not.toMatch(/0\.0\.0\.0|\[::\]/);
    expect(text).toContain('127.0.0.1');
  });

  test('speaks TLS only when asked to', () => {
    expect(write(plain)).not.toContain('.pem');
    expect(write({ ...plain, tls })).toMatch(/\/c\.pem|\/both\.pem/);
  });

  test('speaks HTTP/2 only when asked to', () => {
    const with2 = write({ ...plain, tls, http2: true });
    const without = write({ ...plain, tls });
    expect(with2).not.toBe(without);
    expect(with2).toMatch(/http2|h2/);
  });
});

test('a cache is configured only for the cache workloads', () => {
  expect(nginxConfig(plain)).not.toContain('proxy_cache');
  expect(nginxConfig({ ...plain, cache: true })).toContain('proxy_cache c;');
  expect(haproxyConfig({ ...plain, cache: true })).toContain('cache-use c');
  expect(haproxyConfig(plain)).not.toContain('cache');
  expect(rpConfig({ ...plain, cache: true })).toContain('cache: { enabled: true');
  expect(rpConfig(plain)).not.toContain('cache:');
  expect(varnishConfig({ ...plain, cache: true })).toContain('.port = "9002"');
});

test('nobody gets more than one core’s worth of workers', () => {
  expect(nginxConfig(plain)).toContain('worker_processes 1;');
  expect(haproxyConfig(plain)).toContain('nbthread 1');
  expect(rpConfig(plain)).toContain('workers: 1');
});

test('the backend marks its answers for caches only when asked to', () => {
  expect(staticBackendConfig('/tmp/b', [1, 2], true)).toContain('max-age=600');
  expect(staticBackendConfig('/tmp/b', [1, 2], false)).toContain('no-store');
});

test('the subject of the scripts has a control route that hostile backends cannot take with them', () => {
  const place = { folder: '/tmp/x', port: 8080, adminPort: 9901 };
  const plan = { backends: [9001], control: 9002, health: true, workers: 2 };
  expect(rpSubjectConfig(place, plan)).toContain('{ path: /ok/, upstream: control }');
  expect(rpSubjectConfig(place, plan)).toContain('workers: 2');
  expect(rpSubjectConfig(place, { backends: [9001] })).not.toContain('routes:');
  expect(nginxSubjectConfig(place, plan)).toContain('location /ok/');
});

test('peers are found by name, and a wrong name says which there are', () => {
  expect(peersByName(['rp', 'nginx']).map((peer) => peer.name)).toEqual(['rp', 'nginx']);
  expect(() => peersByName(['apache'])).toThrow(/no peer "apache"; there are rp, nginx/);
  expect(new Set(PEERS.map((peer) => peer.name)).size).toBe(PEERS.length);
});

test('only caches take part in the cache workloads, and varnish in no other', () => {
  const able = (cache: boolean): string[] =>
    PEERS.filter((peer) => peer.supports({ cache, tls: false, http2: false })).map((peer) => peer.name);
  expect(able(true)).toEqual(['rp', 'nginx', 'haproxy', 'varnish']);
  expect(able(false)).not.toContain('varnish');
});
