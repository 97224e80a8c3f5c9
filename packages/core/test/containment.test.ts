import { describe, expect, it } from 'vitest';
import { Timer } from '../src/timer-wheel.ts';
import { leftovers } from './support/leftovers.ts';
import { ask, RawClient, status } from './support/client.ts';
import { startPair, type TestProxy } from './support/proxy.ts';
import { until } from './support/wait.ts';

const bug = (): never => {
  throw new Error('a bug');
};
const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

describe('a mistake of ours that a peer brings to light costs one connection, never the process', () => {
  const internal = (proxy: TestProxy): number =>
    proxy.log.lines.filter(({ message }) => message === 'internal error').length;

  it('while a client’s bytes are read: that client is gone, the next one is served', async () => {
    const { proxy } = await startPair();
    const { settings } = proxy.engine.runtime;
    const { routes } = settings;
    const broken = { ...settings, routes: Object.create(routes, { find: { value: bug } }) as typeof routes };
    proxy.engine.runtime.settings = broken;
    const client = await RawClient.connect(proxy.port);
    client.write(get);
    await client.gone();
    client.destroy();
    await proxy.quiet();
    proxy.engine.runtime.settings = settings;
    expect(status(await ask(proxy.port, get))).toBe(200);
    await proxy.quiet();
    expect(internal(proxy)).toBe(1);
    proxy.log.lines.length = 0;
    expect(leftovers(proxy)).toMatchObject({ requestsNow: 0, connections: 0, active: 0, armed: 1 });
  });

  it('while a backend’s bytes are read: 502', async () => {
    const { backend, proxy } = await startPair();
    const { runtime } = proxy.engine;
    const once = (): string => {
      Object.defineProperty(runtime, 'date', { value: () => 'now' });
      return bug();
    };
    Object.defineProperty(runtime, 'date', { value: once, configurable: true });
    const client = await RawClient.connect(proxy.port);
    client.write(get);
    expect(status(await client.response())).toBe(502);
    client.destroy();
    await until(() => backend.connections[0]?.closed === true);
    expect(status(await ask(proxy.port, get))).toBe(200);
    await proxy.quiet();
    expect(internal(proxy)).toBeGreaterThan(0);
    proxy.log.lines.length = 0;
    expect(leftovers(proxy)).toMatchObject({ connections: 0, active: 0, armed: 1 });
  });

  it('an access log that throws keeps no response from its client', async () => {
    const { proxy } = await startPair({}, { accessLog: { log: bug } });
    expect(status(await ask(proxy.port, get))).toBe(200);
    await proxy.quiet();
    expect(internal(proxy)).toBe(1);
    proxy.log.lines.length = 0;
    expect(leftovers(proxy)).toMatchObject({ requestsNow: 0, connections: 0, active: 0, armed: 1 });
  });

  it('while a timer expires: the others still do', async () => {
    const { proxy } = await startPair();
    const { wheel } = proxy.engine.runtime;
    const seen: string[] = [];
    class Broken extends Timer {
      override expired(): void {
        throw new Error('a bug');
      }
    }
    class Fine extends Timer {
      override expired(): void {
        seen.push('fine');
      }
    }
    wheel.arm(new Broken(), 100, proxy.time.clock());
    wheel.arm(new Fine(), 100, proxy.time.clock());
    await proxy.advance(500);
    expect(seen).toEqual(['fine']);
    await until(() => proxy.log.lines.some(({ message }) => message === 'internal error'));
    proxy.log.lines.length = 0;
  });
});
