import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyMaker, type PrimaryKey } from '../src/cacheKey.ts';
import { HashTable, hashText } from '../src/hashTable.ts';
import { MemoryStore } from '../src/memoryStore.ts';
import { RecencyList } from '../src/recencyList.ts';
import { StoredResponse } from '../src/storedResponse.ts';

describe('the table of keys', () => {
  it('property: finds what a Map finds, through collisions, growth and removals', () => {
    const step = fc.record({
      // Few different hashes, next to each other and far apart: clusters that wrap around the end.
      hash: fc.constantFrom(0, 1, 2, 63, 64, 127, -1, -64, 0x7fffffff, 5),
      remove: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const table = new HashTable();
        const model = new Map<number, Set<number>>();
        let slot = 0;
        for (const { hash, remove } of steps) {
          const slots = model.get(hash) ?? new Set();
          model.set(hash, slots);
          const [some] = slots;
          if (remove && some !== undefined) {
            table.remove(hash, some);
            slots.delete(some);
          } else if (!remove) {
            table.add(hash, slot);
            slots.add(slot++);
          } else table.remove(hash, 10_000); // not there: nothing happens
          for (const [known, expected] of model) {
            const found = new Set<number>();
            for (let at = table.first(known); at >= 0; at = table.next(known)) found.add(at);
            expect(found).toEqual(expected);
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  it('a hash of two parts is the hash of the whole', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.integer(), (a, b, seed) => {
        expect(hashText(b, hashText(a, seed))).toBe(hashText(a + b, seed));
      }),
    );
  });
});

describe('the order of use', () => {
  it('property: the oldest is the one that was used longest ago', () => {
    const step = fc.record({
      slot: fc.integer({ min: 0, max: 200 }),
      action: fc.constantFrom('use', 'use', 'remove'),
    });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const list = new RecencyList();
        const model = new Set<number>();
        for (const { slot, action } of steps) {
          const known = model.delete(slot);
          if (action === 'use') {
            if (known) list.touch(slot);
            else list.add(slot);
            model.add(slot);
          } else if (known) list.remove(slot);
          expect(list.oldest).toBe([...model][0] ?? -1);
        }
      }),
    );
  });
});

describe('a large store', () => {
  const keys = new KeyMaker({ sortQuery: false, dropQuery: [] }, 0.5);
  const key = (target: string): PrimaryKey => keys.key('http', 'a', target);
  const response = (target: string): StoredResponse => new StoredResponse(key(target), 200, '');
  const size = response('/1234').bytes;

  function put(store: MemoryStore, target: string): void {
    store.set(key(target), [response(target)]);
  }

  function filled(count: number): MemoryStore {
    const store = new MemoryStore(size * count);
    for (let i = 0; i < count; i++) put(store, `/${1000 + i}`);
    return store;
  }

  it('passes over what was used since it was looked at last', () => {
    const store = filled(3000);
    for (let i = 0; i < 5; i++) store.get(key(`/${1000 + i}`));
    for (let i = 0; i < 3; i++) put(store, `/${5000 + i}`);
    const kept = Array.from({ length: 10 }, (_, i) => store.peek(key(`/${1000 + i}`)) !== undefined);
    expect(kept).toEqual([true, true, true, true, true, false, false, false, true, true]);
    expect(store.counts()).toMatchObject({ resources: 3000, evictions: 3 });
  });

  it('evicts in bounded time also when everything was used', () => {
    const store = filled(3000);
    for (let i = 0; i < 3000; i++) store.get(key(`/${1000 + i}`));
    put(store, '/5000');
    expect(store.counts()).toMatchObject({ resources: 3000, evictions: 1 });
  });

  it('finds every key after growth, removal and clearing', () => {
    const store = filled(3000);
    for (let i = 0; i < 3000; i += 2) expect(store.delete(key(`/${1000 + i}`))).toBe(1);
    for (let i = 0; i < 3000; i++) {
      expect(store.get(key(`/${1000 + i}`))?.target).toBe(i % 2 === 0 ? undefined : `/${1000 + i}`);
    }
    expect(store.clear()).toBe(1500);
    expect(store.counts()).toMatchObject({ bytes: 0, resources: 0, responses: 0 });
    put(store, '/1');
    expect(store.get(key('/1'))?.key).toBe('http://a/1');
  });

  it('keys that collide are told apart', () => {
    // Seeds differ, so a collision is made by searching for one under a known seed.
    const seen = new Map<number, string>();
    let pair: [string, string] | undefined;
    for (let i = 0; pair === undefined; i++) {
      const { hash } = key(`/${i}`);
      const other = seen.get(hash);
      if (other !== undefined) pair = [other, `/${i}`];
      seen.set(hash, `/${i}`);
    }
    const store = new MemoryStore(1e6);
    for (const target of pair) put(store, target);
    for (const target of pair) expect(store.get(key(target))?.target).toBe(target);
    store.delete(key(pair[0]));
    expect(store.get(key(pair[0]))).toBeUndefined();
    expect(store.get(key(pair[1]))?.target).toBe(pair[1]);
  });
});
