import { describe, expect, it } from 'vitest';
import { TICKET_KEY_BYTES, TicketInstaller, TicketKeySet, TicketKeys, type TicketKeysOptions } from '@rp/tls';

const HOUR = 3_600_000;

function counting(options: Partial<TicketKeysOptions> = {}) {
  const clock = { now: 0 };
  let made = 0;
  const keys = new TicketKeys({
    now: () => clock.now,
    randomFill: (bytes) => bytes.fill((made += 1)),
    ...options,
  });
  const numbers = (): number[] =>
    Array.from({ length: keys.set.size }, (_, index) => keys.set.key(index)[0] ?? 0);
  return { keys, clock, numbers };
}

describe('ticket keys', () => {
  it('rotate every 24 hours and keep the one before', () => {
    const { keys, clock, numbers } = counting();
    expect(numbers()).toEqual([1]);
    clock.now = 24 * HOUR - 1;
    expect(keys.rotateIfDue()).toBeUndefined();
    clock.now = 24 * HOUR;
    expect(keys.rotateIfDue()).toBe(keys.set);
    expect(numbers()).toEqual([2, 1]);
    expect(keys.nextRotation).toBe(48 * HOUR);
    clock.now = 50 * HOUR;
    keys.rotateIfDue();
    expect(numbers()).toEqual([3, 2]);
    expect(keys.set.version).toBe(3);
  });

  it('keep more, or none, if asked to', () => {
    const many = counting({ keepPrevious: 2 });
    for (let i = 0; i < 4; i += 1) many.keys.rotate();
    expect(many.numbers()).toEqual([5, 4, 3]);
    const none = counting({ keepPrevious: 0 });
    none.keys.rotate();
    expect(none.numbers()).toEqual([2]);
  });

  it('refuse options out of range', () => {
    for (const options of [
      { rotateEvery: 0 },
      { rotateEvery: NaN },
      { rotateEvery: 8 * 24 * HOUR },
      { keepPrevious: -1 },
      { keepPrevious: 1.5 },
      { keepPrevious: 8 },
    ]) {
      expect(() => counting(options)).toThrow(expect.objectContaining({ code: 'TLS_OPTION' }));
    }
  });

  it('survive the way to another thread', () => {
    const { keys } = counting();
    keys.rotate();
    const copy = TicketKeySet.fromMessage(structuredClone(keys.set.toMessage()));
    expect([copy.version, copy.size]).toEqual([2, 2]);
    expect([copy.key(0), copy.key(1)]).toEqual([keys.set.key(0), keys.set.key(1)]);
  });

  it('are found by name', () => {
    const { keys } = counting();
    keys.rotate();
    expect(keys.set.indexOf(Buffer.alloc(16, 2))).toBe(0);
    expect(keys.set.indexOf(Buffer.alloc(16, 1))).toBe(1);
    expect(keys.set.indexOf(Buffer.alloc(16, 9))).toBe(-1);
    expect(keys.set.indexOf(Buffer.alloc(3, 1))).toBe(-1);
    expect(() => keys.set.key(2)).toThrow(RangeError);
  });

  it('have 48 bytes', () => {
    expect(() => new TicketKeySet(1, [])).toThrow(/at least one/);
    expect(() => new TicketKeySet(1, [new Uint8Array(32)])).toThrow(String(TICKET_KEY_BYTES));
  });

  it('do not go back to an older set that arrives late', () => {
    const { keys } = counting();
    const old = keys.set;
    const installer = new TicketInstaller(keys.rotate(), () => undefined);
    expect(installer.update(old)).toBe(false);
    expect(installer.set).toBe(keys.set);
  });
});
