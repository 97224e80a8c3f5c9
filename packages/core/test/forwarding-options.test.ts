import { describe, expect, it } from 'vitest';
import { ask, RawClient } from './support/client.ts';
import { field } from './support/message.ts';
import { startPair, type ProxyOptions } from './support/proxy.ts';

const request = 'GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: theirs\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n';

async function forwarded(forwarding: ProxyOptions['forwarding'], trustedProxies: readonly string[] = []) {
  const logged: string[] = [];
  const accessLog = { log: ({ requestId }: { requestId: string }) => void logged.push(requestId) };
  const { backend, proxy } = await startPair({}, { forwarding: forwarding!, trustedProxies, accessLog });
  await ask(proxy.port, request);
  const [got] = backend.requests;
  return { id: field(got!, 'x-request-id'), for: field(got!, 'x-forwarded-for'), logged: logged[0] };
}

describe('forwarding options', () => {
  it('requestId: keep trusts a trusted proxy only', async () => {
    expect((await forwarded({ requestId: 'keep' }, ['127.0.0.1'])).id).toBe('theirs');
    expect((await forwarded({ requestId: 'keep' })).id).not.toBe('theirs');
  });

  it('requestId: new always makes one, which is the one that is logged', async () => {
    const { id, logged } = await forwarded({ requestId: 'new' }, ['127.0.0.1']);
    expect(id).not.toBe('theirs');
    expect(id).toBe(logged);
  });

  it('requestId: off leaves it alone', async () => {
    expect((await forwarded({ requestId: 'off' })).id).toBe('theirs');
  });

  it('xForwarded: false sends none of ours, and none of a client', async () => {
    expect((await forwarded({ xForwarded: false })).for).toBeUndefined();
    expect((await forwarded({ xForwarded: false }, ['127.0.0.1'])).for).toBe('10.0.0.1');
  });

  it('overloadRetryAfter is what a 503 for overload says', async () => {
    const { proxy } = await startPair({}, { overloadRetryAfter: 6_500 });
    proxy.engine.runtime.overloaded = true;
    const client = await RawClient.connect(proxy.port);
    client.write(request);
    const [answer] = await client.responses(1);
    expect(answer!.start).toContain('503');
    expect(field(answer!, 'retry-after')).toBe('7');
    client.destroy();
  });
});
