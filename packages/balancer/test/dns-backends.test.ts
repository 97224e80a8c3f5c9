import { type BackendOptions, type BalancerError, DnsBackends, type ResolvedAddress } from '@rp/balancer';
import type { DnsBackendsOptions } from '@rp/balancer';
import { expect, test } from 'vitest';
import { FakeTime } from './fake-time.ts';
import { Fleet } from './fleet.ts';

class Names {
  readonly time: FakeTime = new FakeTime();
  readonly errors: string[] = [];
  readonly heard: string[][] = [];
  readonly answers = new Map<string, readonly ResolvedAddress[] | Error>();
  asked = 0;
  onChange: (backends: readonly BackendOptions[]) => void = () => {};

  follow(targets: readonly BackendOptions[], options: Partial<DnsBackendsOptions> = {}): DnsBackends {
    const all = {
      targets,
      onChange: (backends: readonly BackendOptions[]) => {
        this.onChange(backends);
        this.heard.push(backends.map(({ url }) => url));
      },
      onError: (error: BalancerError) => this.errors.push(`${error.code}: ${error.message}`),
      ...options,
    };
    return new DnsBackends(all, (name) => this.#resolve(name), this.time);
  }

  answer(name: string, ttlSeconds: number, ...addresses: string[]): void {
    this.answers.set(
      name,
      addresses.map((address) => ({ address, ttlSeconds })),
    );
  }

  #resolve(name: string): Promise<readonly ResolvedAddress[]> {
    this.asked++;
    const answer = this.answers.get(name) ?? new Error('ENOTFOUND');
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  }
}

test('every address is a backend that keeps name, port and weight', async () => {
  const names = new Names();
  names.answer('app.example', 30, '192.0.2.2', '192.0.2.1', '2001:db8::1');
  const dns = names.follow([{ url: 'https://app.example:8443', weight: 3 }]);
  await dns.start();
  expect(dns.backends).toEqual([
    { url: 'https://192.0.2.1:8443', weight: 3, serverName: 'app.example' },
    { url: 'https://192.0.2.2:8443', weight: 3, serverName: 'app.example' },
    { url: 'https://[2001:db8::1]:8443', weight: 3, serverName: 'app.example' },
  ]);
});

test('stale DNS after a backend moved: the change is followed within the TTL, without a reload', async () => {
  const names = new Names();
  names.answer('app.example', 30, '192.0.2.1');
  const fleet = new Fleet({ backends: [] });
  names.onChange = (backends) => fleet.group.update({ backends });
  await names.follow([{ url: 'http://app.example' }]).start();
  expect(fleet.pick()?.host).toBe('192.0.2.1');
  names.answer('app.example', 30, '192.0.2.9');
  await names.time.pass(29_000);
  expect(fleet.pick()?.host).toBe('192.0.2.1');
  await names.time.pass(1_000);
  expect(fleet.pick()?.host).toBe('192.0.2.9');
});

test('a failure keeps the last good answer, backs off, and is reported', async () => {
  const names = new Names();
  names.answer('app.example', 10, '192.0.2.1');
  await names.follow([{ url: 'http://app.example' }]).start();
  names.answers.delete('app.example');
  names.asked = 0;
  await names.time.pass(10_000 + 1_000 + 2_000 + 4_000);
  expect(names.asked).toBe(4);
  expect(names.heard).toEqual([['http://192.0.2.1:80']]);
  expect(names.errors[0]).toBe('resolveFailed: cannot resolve app.example');
  names.answers.set('app.example', []);
  await names.time.pass(60_000);
  expect(names.heard).toHaveLength(1);
  names.answer('app.example', 10, '192.0.2.2');
  await names.time.pass(300_000);
  expect(names.heard.at(-1)).toEqual(['http://192.0.2.2:80']);
});

test('the TTL is bounded on both sides, an interval replaces it', async () => {
  const count = async (ttl: number, options: Partial<DnsBackendsOptions>): Promise<number> => {
    const names = new Names();
    names.answer('app.example', ttl, '192.0.2.1');
    await names.follow([{ url: 'http://app.example' }], options).start();
    names.asked = 0;
    await names.time.pass(600_000);
    return names.asked;
  };
  expect(await count(0, {})).toBe(120);
  expect(await count(86_400, {})).toBe(2);
  expect(await count(60, {})).toBe(10);
  expect(await count(60, { intervalMs: 6_000 })).toBe(100);
});

test('the same addresses in another order are no change', async () => {
  const names = new Names();
  names.answer('app.example', 10, '192.0.2.1', '192.0.2.2');
  await names.follow([{ url: 'http://app.example' }]).start();
  names.answer('app.example', 10, '192.0.2.2', '192.0.2.1');
  await names.time.pass(60_000);
  expect(names.heard).toHaveLength(1);
});

test('addresses pass as they are, beside several names; one address is one backend', async () => {
  const names = new Names();
  names.answer('a.example', 10, '192.0.2.1', '192.0.2.3');
  names.answer('b.example', 10, '192.0.2.1');
  const targets = ['http://192.0.2.7', 'http://a.example', 'http://b.example', 'http://[2001:db8::7]'];
  const dns = names.follow(targets.map((url) => ({ url })));
  await dns.start();
  expect(dns.backends.map(({ url }) => url)).toEqual([
    'http://192.0.2.7',
    'http://192.0.2.1:80',
    'http://192.0.2.3:80',
    'http://[2001:db8::7]',
  ]);
});

test('backends that stay keep their state when an address comes or goes', async () => {
  const names = new Names();
  names.answer('app.example', 10, '192.0.2.1', '192.0.2.2');
  const fleet = new Fleet({ backends: [] });
  names.onChange = (backends) => fleet.group.update({ backends });
  await names.follow([{ url: 'http://app.example' }]).start();
  fleet.group.setHealth(fleet.backend(0), false, 'test', fleet.now);
  fleet.start(fleet.backend(1));
  names.answer('app.example', 10, '192.0.2.1', '192.0.2.2', '192.0.2.3');
  await names.time.pass(10_000);
  const [first, second, third] = fleet.group.statistics();
  expect([first?.state, second?.active, third?.active]).toEqual(['unhealthy', 1, 0]);
});

test('an update that is refused is reported, and offered again', async () => {
  const names = new Names();
  names.answer('app.example', 10, '192.0.2.1');
  let refusals = 1;
  names.onChange = () => {
    if (refusals-- > 0) throw new Error('table full');
  };
  await names.follow([{ url: 'http://app.example' }]).start();
  expect(names.errors).toEqual(['updateFailed: new addresses were not taken over']);
  await names.time.pass(10_000);
  expect(names.heard).toEqual([['http://192.0.2.1:80']]);
});

test('nothing is asked after stop', async () => {
  const names = new Names();
  names.answer('app.example', 10, '192.0.2.1');
  const dns = names.follow([{ url: 'http://app.example' }]);
  await dns.start();
  dns.stop();
  names.asked = 0;
  await names.time.pass(100_000);
  expect([names.asked, names.time.pending]).toEqual([0, 0]);
});
