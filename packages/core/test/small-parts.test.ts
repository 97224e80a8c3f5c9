import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keepAliveTimeout } from '../src/backend/reuse.ts';
import { ConnectionState, ConnectionStateMachine, connectionStateNames } from '../src/connection-state.ts';
import { Counter, Counters, counterNames, countersByteLength, latencyBounds } from '../src/counters.ts';
import { HEADROOM, OwnBuffer, giveBack, READ_SIZE, SwitchingBuffer } from '../src/read-buffers.ts';
import { isIdempotent, mayReplay } from '../src/repeat.ts';
import { TrustedProxies } from '../src/trusted-proxies.ts';

describe('the connection state table', () => {
  const allowed: Record<string, readonly string[]> = {
    idle: ['readingRequest', 'multiplexing', 'closing'],
    readingRequest: ['forwarding', 'writingResponse', 'closing'],
    forwarding: ['readingResponse', 'writingResponse', 'closing'],
    readingResponse: ['writingResponse', 'tunnelling', 'closing'],
    writingResponse: ['idle', 'closing'],
    tunnelling: ['closing'],
    closing: [],
    multiplexing: ['idle', 'closing'],
  };
  /** How to get to a state. */
  const way: Record<string, readonly (keyof typeof ConnectionState)[]> = {
    idle: [],
    readingRequest: ['readingRequest'],
    forwarding: ['readingRequest', 'forwarding'],
    readingResponse: ['readingRequest', 'forwarding', 'readingResponse'],
    writingResponse: ['readingRequest', 'writingResponse'],
    tunnelling: ['readingRequest', 'forwarding', 'readingResponse', 'tunnelling'],
    closing: ['closing'],
    multiplexing: ['multiplexing'],
  };

  it.each(connectionStateNames.flatMap((from) => connectionStateNames.map((to) => [from, to] as const)))(
    '%s → %s',
    (from, to) => {
      const counters = new Counters();
      const machine = new ConnectionStateMachine(counters);
      for (const step of way[from]!) machine.go(ConnectionState[step]);
      const go = (): void => machine.go(ConnectionState[to as keyof typeof ConnectionState]);
      const fits = allowed[from]!.includes(to);
      if (fits) go();
      else expect(go).toThrow(`illegal transition ${from} → ${to}`);
      const now = fits ? to : from;
      for (const name of connectionStateNames)
        expect(counters.read(`state.${name}Now`)).toBe(name === now ? 1 : 0);
      machine.gone();
      for (const name of connectionStateNames) expect(counters.read(`state.${name}Now`)).toBe(0);
    },
  );
});

describe('counters', () => {
  it('are shared memory that another thread reads', () => {
    const memory = new SharedArrayBuffer(2 * countersByteLength);
    const mine = new Counters(memory, countersByteLength);
    mine.add(Counter.requests, 3);
    mine.failed('NO_ROUTE');
    const theirs = new Counters(memory, countersByteLength);
    expect([theirs.read('requests'), theirs.read('failure.NO_ROUTE')]).toEqual([3, 1]);
    expect(new Counters(memory).read('requests')).toBe(0);
  });

  it('count each response once, by class and duration', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.integer({ min: 100, max: 999 }), fc.double({ min: 0, max: 100_000, noNaN: true })),
        ),
        (responses) => {
          const counters = new Counters();
          for (const [status, duration] of responses) counters.response(status, duration);
          const all = counters.snapshot();
          const buckets = [...latencyBounds.map(String), 'inf'].map((bound) => all[`duration.${bound}`]!);
          expect(buckets.reduce((a, b) => a + b, 0)).toBe(responses.length);
          expect(all['duration.0.5']).toBe(responses.filter(([, duration]) => duration <= 0.5).length);
          expect(all['status2xx']).toBe(responses.filter(([status]) => status >= 200 && status < 300).length);
        },
      ),
    );
  });

  it('lose what goes up and down when their thread is gone, and keep the sums', () => {
    const counters = new Counters();
    counters.add(Counter.requests, 2);
    counters.add(Counter.requestsNow, 2);
    counters.enterState(ConnectionState.idle);
    counters.clearGauges();
    expect([counters.read('requests'), counters.read('requestsNow'), counters.read('state.idleNow')]).toEqual(
      [2, 0, 0],
    );
  });

  it('have names that are all different', () => {
    expect(new Set(counterNames).size).toBe(counterNames.length);
  });
});

describe('trusted proxies', () => {
  it.each([
    ['10.0.0.0/8', '10.1.2.3', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['127.0.0.1', '127.0.0.1', true],
    ['127.0.0.1', '127.0.0.2', false],
    ['10.0.0.0/8', '::ffff:10.0.0.1', true],
    ['fd00::/8', 'fd12::1', true],
    ['fd00::/8', 'fe80::1', false],
    ['0.0.0.0/0', '8.8.8.8', true],
    ['::1', '::1', true],
    ['10.0.0.0/8', 'nonsense', false],
  ])('%s, %s: %s', (range, address, expected) => {
    expect(new TrustedProxies([range]).trusts(address)).toBe(expected);
  });

  it.each([
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '10.0.0.0/8.5',
    'example.com',
    '',
    'fd00::/129',
    '10.0.0',
  ])('%j is refused by name', (range) => {
    expect(() => new TrustedProxies([range])).toThrow(`not an address or CIDR block: ${range}`);
  });

  it('nobody is trusted by default', () => {
    expect(new TrustedProxies([]).trusts('127.0.0.1')).toBe(false);
  });
});

describe('read buffers', () => {
  it('one that was lent is not read into again; one that was not is', () => {
    const own = new OwnBuffer();
    const first = own.next()!;
    expect(first.length).toBe(READ_SIZE);
    expect(own.next()).toBeUndefined();
    own.lend();
    const second = own.next()!;
    expect(second.buffer).not.toBe(first.buffer);
    expect(own.room!.length).toBe(HEADROOM + READ_SIZE);
    own.free();
    own.free();
  });

  it('one that was lent serves no other socket until it is given back', () => {
    const lender = new OwnBuffer();
    const { buffer } = lender.next()!;
    const lent = lender.lend()!;
    expect(lent.buffer).toBe(buffer);
    expect(lender.lend()).toBeUndefined();
    lender.free();
    const others = Array.from({ length: 100 }, () => new OwnBuffer());
    expect(others.some((other) => other.next()!.buffer === buffer)).toBe(false);
    giveBack(lent);
    const next = new OwnBuffer();
    expect(next.next()!.buffer).toBe(buffer);
    for (const other of [...others, next]) other.free();
  });

  it('between bodies the buffer is shared by all, within one it is the own', () => {
    const a = new SwitchingBuffer();
    const b = new SwitchingBuffer();
    const common = a.next();
    expect(b.next()).toBe(common);
    expect(a.shared).toBe(true);
    expect(a.next()).toBeUndefined();
    a.streaming(true);
    const own = a.next()!;
    expect(own.buffer).not.toBe(common!.buffer);
    expect([a.shared, b.shared]).toEqual([false, true]);
    a.streaming(false);
    expect(a.next()).toBe(common);
    a.free();
    b.free();
  });
});

describe('what may be repeated', () => {
  it('methods by RFC 9110 §9.2.2', () => {
    expect(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE', 'QUERY'].every(isIdempotent)).toBe(true);
    expect(['POST', 'PATCH', 'CONNECT', 'get', 'BREW', 'LOCK', 'PROPPATCH'].some(isIdempotent)).toBe(false);
  });

  it('a replay needs a stale connection, an idempotent method and a body that is there', () => {
    const all = [true, false];
    const yes: unknown[] = [];
    for (const code of ['BACKEND_CLOSED', 'BACKEND_REFUSED', 'BACKEND_TIMEOUT'] as const)
      for (const reused of all)
        for (const idempotent of all)
          for (const body of all)
            if (mayReplay(code, reused, idempotent, body)) yes.push([code, reused, idempotent, body]);
    expect(yes).toEqual([['BACKEND_CLOSED', true, true, true]]);
  });
});

describe('Keep-Alive: timeout', () => {
  it.each([
    ['timeout=5', 5000],
    ['max=100, timeout=15', 15_000],
    ['Timeout = 7', 7000],
    ['timeout=x', 0],
    ['mytimeout=5', 0],
    ['', 0],
    [undefined, 0],
  ])('%j → %i ms', (value, expected) => {
    expect(keepAliveTimeout(value)).toBe(expected);
  });
});
