import { once } from 'node:events';
import net from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RunningProxy } from './support/running-proxy.ts';

const config = `
listeners: [{ address: 127.0.0.1, port: 0 }]
workers: 1
upstreams: { app: { backends: [{ url: http://127.0.0.1:1 }] } }
log: { level: info, access: { enabled: true, format: json } }
`;

let proxy: RunningProxy;

beforeAll(async () => {
  proxy = await RunningProxy.start(config);
});
afterAll(() => proxy.stop());

async function say(bytes: string): Promise<string> {
  const socket = net.connect(proxy.port, '127.0.0.1');
  let answer = '';
  socket.setEncoding('latin1').on('data', (text: string) => (answer += text));
  socket.write(bytes, 'latin1');
  await once(socket, 'close');
  return answer;
}

describe('the access log has what is refused before it is a request', () => {
  test.each([
    ['/bad-field', 'GET /bad-field HTTP/1.1\r\nX : 1\r\n\r\n', { status: 400, error: 'BAD_REQUEST' }],
    ['/version', 'GET /version HTTP/3.0\r\n\r\n', { status: 505, version: 'HTTP/3.0' }],
    ['/a?token=***', 'BREW /a?token=hush HTTP/1.1\r\nCookie: hush\r\n\r\n', { status: 400, method: 'BREW' }],
    ['\x16\x03\x01', '\x16\x03\x01\x00\r\n\r\n', { status: 400, method: '' }],
  ])('%j', async (target, bytes, more) => {
    const answer = await say(bytes);
    const line = await proxy.logged((each) => String(each.target).startsWith(target));
    expect(line).toMatchObject({ client: '127.0.0.1', bytesIn: 0, duration: expect.any(Number), ...more });
    expect(answer).toContain(`\r\nX-Request-Id: ${String(line.requestId)}\r\n`);
    expect(line.bytesOut).toBe(answer.length - answer.indexOf('\r\n\r\n') - 4);
    expect(JSON.stringify(line)).not.toContain('hush');
  });
});
