import tls from 'node:tls';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { Authority } from './support/certificates.ts';
import { RawClient, ask } from './support/client.ts';
import { field } from './support/message.ts';
import { startPair } from './support/proxy.ts';

const authority = new Authority();
afterAll(() => authority.remove());
const options = authority.issue(['a']);
const request = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

async function cookies(secure: boolean): Promise<{ plain: string; overTls: string }> {
  const { proxy } = await startPair({}, { affinity: true, group: { affinity: { by: 'cookie', secure } } });
  const plain = await ask(proxy.port, request);
  const { port } = await proxy.engine.listen({ address: '127.0.0.1', tls: { options } });
  const socket = tls.connect({ port, host: '127.0.0.1', servername: 'a', ca: authority.cert });
  onTestFinished(() => void socket.destroy());
  const client = new RawClient(socket);
  client.write(request);
  const [overTls] = await client.responses(1);
  return { plain: field(plain, 'set-cookie') ?? '', overTls: field(overTls!, 'set-cookie') ?? '' };
}

describe('the cookie that keeps a client with its backend', () => {
  it('is Secure for clients that come by TLS only: others would never send it back', async () => {
    const { plain, overTls } = await cookies(false);
    expect(plain).toMatch(/^rp_backend=\S+; Path=\/; HttpOnly; SameSite=Lax$/);
    expect(overTls).toBe(`${plain}; Secure`);
  });

  it('is Secure once where the balancer says so itself', async () => {
    const { plain, overTls } = await cookies(true);
    expect(plain).toMatch(/; Secure$/);
    expect(overTls).toBe(plain);
  });
});
