import { describe, expect, it } from 'vitest';
import { RouteTable, hostName } from '../src/routes.ts';
import { ask, status } from './support/client.ts';
import { startPair } from './support/proxy.ts';

const table = new RouteTable([
  { upstream: 'default' },
  { path: '/static', upstream: 'static' },
  { host: 'a.example', upstream: 'a' },
  { host: 'A.example.', path: '/api', upstream: 'a-api' },
  { host: 'a.example', path: '/api/v2/', upstream: 'a-v2' },
  { host: '*.example', upstream: 'wild' },
  { host: '*.sub.example', path: '/x', upstream: 'sub' },
  { host: '[::1]', upstream: 'six' },
]);

describe('routes: the longest match wins', () => {
  it.each([
    ['other.test', '/', 'default'],
    ['', '/', 'default'],
    ['other.test', '/static', 'static'],
    ['other.test', '/static/x', 'static'],
    ['other.test', '/statics', 'default'],
    ['other.test', '/static?x', 'static'],
    ['a.example', '/', 'a'],
    ['A.EXAMPLE:8080', '/', 'a'],
    ['a.example.', '/', 'a'],
    ['a.example', '/api', 'a-api'],
    ['a.example', '/API', 'a'],
    ['a.example', '/apis', 'a'],
    ['a.example', '/api/v2', 'a-api'],
    ['a.example', '/api/v2/x', 'a-v2'],
    ['b.example', '/', 'wild'],
    ['c.b.example', '/static', 'wild'],
    ['example', '/', 'default'],
    ['y.sub.example', '/x', 'sub'],
    ['y.sub.example', '/y', 'wild'],
    ['[::1]:80', '/', 'six'],
    ['[::1]', '/', 'six'],
    ['xa.example.evil', '/', 'default'],
  ])('%s %s → %s', (host, path, expected) => {
    expect(table.find(host, path)?.upstream).toBe(expected);
  });

  it('an unknown host gets nothing where there is no default', () => {
    const strict = new RouteTable([{ host: 'a', upstream: 'a' }]);
    expect(strict.find('b', '/')).toBeUndefined();
    expect(new RouteTable([]).find('a', '/')).toBeUndefined();
  });

  it('names are compared without port, trailing dot and case', () => {
    expect([
      hostName('A.b:80'),
      hostName('a.b.'),
      hostName('[::1]:80'),
      hostName('[::1]'),
      hostName(''),
    ]).toEqual(['a.b', 'a.b', '[::1]', '[::1]', '']);
  });

  it('what is matched is what is forwarded, byte for byte', async () => {
    const { backend, proxy } = await startPair({}, { routes: [{ path: '/app' }] });
    const asked = async (path: string): Promise<number> =>
      status(await ask(proxy.port, `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`));
    expect(await asked('/app/../secret')).toBe(200);
    expect(await asked('/%61pp')).toBe(404);
    expect(await asked('//app')).toBe(404);
    expect(await asked('/app%2Fx')).toBe(404);
    expect(backend.requests.map(({ start }) => start)).toEqual(['GET /app/../secret HTTP/1.1']);
  });
});
