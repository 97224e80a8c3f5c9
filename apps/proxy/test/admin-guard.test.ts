import { describe, expect, it } from 'vitest';
import { AdminGuard, type AdminRequest } from '../src/admin/guard.ts';

const request = (change: Partial<AdminRequest> = {}): AdminRequest => ({
  method: 'GET',
  path: '/stats',
  host: '127.0.0.1:9901',
  origin: undefined,
  fetchSite: undefined,
  authorization: undefined,
  ...change,
});
const TOKEN = 'sixteen-letters-or-more';
const open = new AdminGuard(null, '127.0.0.1');
const closed = new AdminGuard(TOKEN, '0.0.0.0');
const status = (guard: AdminGuard, change: Partial<AdminRequest>): number =>
  guard.refusal(request(change))?.status ?? 200;

describe('who may use the admin interface', () => {
  it.each(['127.0.0.1:9901', 'localhost:9901', '[::1]:9901', 'LOCALHOST', '10.1.2.3', undefined])(
    'without a token: Host %s',
    (host) => expect(status(open, { host })).toBe(200),
  );

  it.each(['evil.example:9901', 'localhost.evil.example', '127.0.0.1.nip.io', ''])(
    'DNS rebinding: not Host %s',
    (host) => expect(status(open, { host })).toBe(421),
  );

  it.each([
    [{ origin: 'http://evil.example' }, 403],
    [{ origin: 'null' }, 403],
    [{ origin: 'http://127.0.0.1:8080' }, 403],
    [{ fetchSite: 'cross-site' }, 403],
    [{ fetchSite: 'same-site' }, 403],
    [{ origin: 'http://127.0.0.1:9901', fetchSite: 'same-origin' }, 200],
    [{ fetchSite: 'none' }, 200],
    [{}, 200],
  ])('cross-site request forgery: POST with %j gives %i', (fields, expected) => {
    for (const method of ['POST', 'PUT', 'DELETE'])
      expect(status(open, { method, ...fields })).toBe(expected);
    const authorization = `Bearer ${TOKEN}`;
    expect(status(closed, { method: 'POST', authorization, ...fields })).toBe(expected);
  });

  it('with a token: those who have it', () => {
    expect(status(closed, { authorization: `Bearer ${TOKEN}` })).toBe(200);
    expect(status(closed, { authorization: `bearer ${TOKEN}`, host: 'rp.example.com' })).toBe(200);
    for (const authorization of [
      undefined,
      '',
      'Bearer',
      `Bearer ${TOKEN}x`,
      `Bearer ${TOKEN.slice(1)}`,
      `Basic ${TOKEN}`,
      TOKEN,
    ]) {
      expect(status(closed, { authorization })).toBe(401);
      expect(status(closed, { authorization, method: 'POST', path: '/' })).toBe(401);
    }
  });

  it('with a token: health, readiness and the empty page are open to all', () => {
    for (const path of ['/healthz', '/readyz', '/']) expect(status(closed, { path })).toBe(200);
    for (const path of ['/metrics', '/healthz/', '//', '/healthzz'])
      expect(status(closed, { path })).toBe(401);
  });
});
