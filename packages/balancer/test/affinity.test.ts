import { type Backend, BalancerError } from '@rp/balancer';
import { expect, test } from 'vitest';
import { Fleet } from './fleet.ts';

function sticky(): Fleet {
  return new Fleet({ affinity: { by: 'cookie', name: 'srv' }, slowStart: false, size: 4 });
}

/** A browser: sends what it was given. */
function visit(fleet: Fleet): Backend {
  const backend = fleet.pick();
  if (backend === undefined) throw new Error('nobody');
  const field = fleet.group.affinityCookie(backend, fleet.context.cookie);
  if (field !== undefined) fleet.context.cookie = `a=b; ${field.split(';')[0]}; srvx=1`;
  return backend;
}

test('a client stays with its backend', () => {
  const fleet = sticky();
  const first = visit(fleet);
  for (let i = 0; i < 20; i++) expect(visit(fleet)).toBe(first);
});

test('it moves once when its backend is not healthy, and stays where it went', () => {
  const fleet = sticky();
  const first = visit(fleet);
  fleet.group.setHealth(first, false, 'test', fleet.now);
  const second = visit(fleet);
  expect(second).not.toBe(first);
  expect(visit(fleet)).toBe(second);
  fleet.group.setHealth(first, true, 'test', fleet.now);
  for (let i = 0; i < 10; i++) expect(visit(fleet)).toBe(second);
});

test('a draining backend takes no bound client either', () => {
  const fleet = sticky();
  const first = visit(fleet);
  fleet.group.setAdministration(first, 'draining', 'test', fleet.now);
  expect(visit(fleet)).not.toBe(first);
});

test('a retry does not go back to the bound backend that failed', () => {
  const fleet = sticky();
  const first = visit(fleet);
  expect(fleet.pick([first])).not.toBe(first);
});

test('the cookie is HttpOnly, Secure and SameSite, and names no address', () => {
  const fleet = sticky();
  const field = fleet.group.affinityCookie(fleet.backend(0), undefined);
  expect(field).toMatch(/^srv=[0-9a-f]{16}; Path=\/; HttpOnly; SameSite=Lax; Secure$/);
});

test('no Set-Cookie for a client that is where it belongs, or without affinity', () => {
  const fleet = sticky();
  visit(fleet);
  const bound = visit(fleet);
  expect(fleet.group.affinityCookie(bound, fleet.context.cookie)).toBeUndefined();
  expect(new Fleet().group.affinityCookie(bound, undefined)).toBeUndefined();
});

test.each(['srv=deadbeefdeadbeef', 'srv=', 'srv', 'xsrv=1', ';;; srv', '=', 'srv=../../etc', 'srv="x"'])(
  'a cookie that binds to nobody (%s) is ignored',
  (cookie) => {
    const fleet = sticky();
    fleet.context.cookie = cookie;
    expect(fleet.shares(8)).toEqual([2, 2, 2, 2]);
  },
);

test('a cookie whose name only begins alike is another cookie', () => {
  const fleet = sticky();
  const { token } = fleet.backend(2);
  fleet.context.cookie = `srvx=1; srv-${token}; srv=${token}`;
  expect(fleet.shares(4)).toEqual([0, 0, 4, 0]);
  fleet.context.cookie = `a=b; srv-${token}`;
  expect(fleet.shares(8)).toEqual([2, 2, 2, 2]);
});

test('the value alone is understood too', () => {
  const fleet = sticky();
  fleet.context.cookie = fleet.backend(3).token;
  expect(fleet.pick()).toBe(fleet.backend(3));
});

test('affinity by address is the consistent hash, whatever the algorithm', () => {
  const fleet = new Fleet({ affinity: { by: 'address' }, algorithm: 'round-robin' });
  const home = fleet.pick();
  for (let i = 0; i < 10; i++) expect(fleet.pick()).toBe(home);
});

test('a name or path that would break the field is refused', () => {
  expect(() => new Fleet({ affinity: { by: 'cookie', name: 'a b' } })).toThrow(BalancerError);
  expect(() => new Fleet({ affinity: { by: 'cookie', path: '/; Domain=evil' } })).toThrow(BalancerError);
});
