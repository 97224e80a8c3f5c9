import { get } from 'node:http';
import { describe, expect, it } from 'vitest';
import { main } from '../src/cli/main.ts';
import type { ConfigSource, Io, RunProxy } from '../src/cli/io.ts';
import type { ProxyConfig } from '../src/config/index.ts';

const capture = () => {
  const out = { stdout: '', stderr: '' };
  const io: Io = {
    stdout: { write: (text) => (out.stdout += text) },
    stderr: { write: (text) => (out.stderr += text) },
    env: {},
    onReady: () => undefined,
  };
  return { out, io };
};

const configOf = (source: ConfigSource): ProxyConfig => {
  if (source.kind !== 'fixed') throw new Error('a fixed configuration was expected');
  return source.config;
};

interface Answer {
  readonly status: number | undefined;
  readonly backend: string | undefined;
  readonly body: string;
}

/** A request to a backend; `enough` ends it early, for answers without end. */
const request = (url: string, enough?: (body: string) => boolean): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const client = get(url, { headers: { 'X-Probe': 'yes' }, agent: false }, (response) => {
      let body = '';
      const backend = response.headers['x-backend'];
      const done = () => resolve({ status: response.statusCode, backend: String(backend), body });
      response.setEncoding('latin1');
      response.on('data', (data: string) => {
        body += data;
        if (enough?.(body) === true) {
          done();
          client.destroy();
        }
      });
      response.on('end', done);
    });
    client.on('error', reject);
  });

describe('rp run', () => {
  it('turns flags into one listener in front of all backends', async () => {
    const seen: ConfigSource[] = [];
    const runner: RunProxy = async (source) => {
      seen.push(source);
      return 7;
    };
    const { io } = capture();
    const flags = ['--listen', '[::1]:9000', '--backend', 'http://a:1', '-b', 'http://b:2'];
    expect(await main(['run', ...flags], io, runner)).toBe(7);
    const [source] = seen;
    const config = source === undefined ? null : configOf(source);
    expect(config?.listeners[0]).toMatchObject({ address: '::1', port: 9000, tls: null });
    expect(config?.upstreams[0]?.backends.map(({ url }) => url.href)).toEqual(['http://a:1', 'http://b:2']);
  });

  it('listens on 8080 unless told otherwise', async () => {
    const { io } = capture();
    const runner: RunProxy = async (source) => configOf(source).listeners[0]?.port ?? -1;
    expect(await main(['run', '--backend', 'http://a:1'], io, runner)).toBe(8080);
  });

  it('does not start with mistakes', async () => {
    const { io, out } = capture();
    const runner: RunProxy = () => Promise.reject(new Error('must not run'));
    expect(await main(['run', '-c', '/nowhere.yaml'], io, runner)).toBe(2);
    expect(out.stderr).toContain('/nowhere.yaml: there is no such file');
  });
});

describe('rp demo', () => {
  it('runs in front of three backends that show what a proxy does, and prints what to try', async () => {
    const { io, out } = capture();
    const answers: Record<string, Answer> = {};
    let cached = false;
    const backends: (string | undefined)[] = [];
    const runner: RunProxy = async (source, inner) => {
      const config = configOf(source);
      cached = config.cache.enabled;
      const urls = config.upstreams[0]?.backends.map(({ url }) => url.href) ?? [];
      inner.onReady([{ address: '127.0.0.1', port: 8123, tls: false }]);
      for (const url of urls) backends.push((await request(`${url}/`)).backend);
      const [url = ''] = urls;
      answers.echo = await request(`${url}/echo`);
      answers.slow = await request(`${url}/slow?ms=5`);
      answers.events = await request(`${url}/events`, (body) => body.includes('\n\n'));
      answers.stream = await request(`${url}/stream`, (body) => body.includes('chunk 1 '));
      answers.big = await request(`${url}/big`);
      answers.missing = await request(`${url}/nowhere`);
      return 0;
    };
    expect(await main(['demo', '--listen', '0'], io, runner)).toBe(0);
    expect(cached).toBe(true);
    expect(backends).toEqual(['red', 'green', 'blue']);
    expect(answers.echo?.body).toContain('X-Probe: yes');
    expect(answers.slow?.body).toBe('red took 5 ms\n');
    expect(answers.events?.body).toContain('data: hello from red');
    expect(answers.stream?.body).toContain('chunk 1 from red');
    expect(answers.big?.body.length).toBe(100 * 1024 * 1024);
    expect(answers.missing?.status).toBe(404);
    expect(out.stdout.match(/^ {2}curl .*http:\/\/127\.0\.0\.1:8123\//gmu)).toHaveLength(4);
  });

  it('listens on the loopback address only, and on the next free port', async () => {
    const { io } = capture();
    const ports: number[] = [];
    const runner: RunProxy = async (source) => {
      const [listener] = configOf(source).listeners;
      ports.push(listener?.port ?? -1);
      return listener?.address === '127.0.0.1' ? 0 : 1;
    };
    expect(await main(['demo'], io, runner)).toBe(0);
    expect(ports[0] === 0 || (ports[0] ?? 0) >= 8080).toBe(true);
  });
});
