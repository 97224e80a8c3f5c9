import { createServer } from 'node:net';
import { configFromFlags, parseConfig, type LoadResult } from '../config/index.ts';
import { DemoBackend } from './demoBackend.ts';
import type { Io, ListeningAddress, RunProxy } from './io.ts';
import { printProblems } from './problems.ts';

const FIRST_PORT = 8080;
const PORTS_TRIED = 20;
const NAMES = ['red', 'green', 'blue'] as const;

const isFree = (port: number): Promise<boolean> =>
  new Promise((done) => {
    const probe = createServer();
    probe.once('error', () => done(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => done(true)));
  });

/** The first free port from 8080 on; 0 (any) if none is near. */
const freePort = async (): Promise<number> => {
  for (let port = FIRST_PORT; port < FIRST_PORT + PORTS_TRIED; port++) {
    if (await isFree(port)) return port;
  }
  return 0;
};

const demoConfig = (listen: string, backends: readonly DemoBackend[]): LoadResult => {
  // The address is checked on its own first, so that its mistakes are told in the words of the option.
  const checked = configFromFlags({ listen, backend: ['http://127.0.0.1:1'] });
  const [listener] = checked.config?.listeners ?? [];
  if (listener === undefined) return checked;
  const text = JSON.stringify({
    listeners: [{ address: listen.includes(':') ? listener.address : '127.0.0.1', port: listener.port }],
    workers: 1,
    upstreams: { demo: { backends: backends.map(({ name, url }) => ({ url, name })) } },
    cache: { enabled: true },
    log: { level: 'warn', access: { format: 'combined' } },
  });
  return parseConfig(text, { env: {}, file: 'the demo' });
};

const guide = (listening: readonly ListeningAddress[], backends: readonly DemoBackend[]): string => {
  const [first] = listening;
  if (first === undefined) return '';
  const anyAddress = first.address === '0.0.0.0' || first.address === '::';
  const host = anyAddress ? '127.0.0.1' : first.address.includes(':') ? `[${first.address}]` : first.address;
  const base = `http://${host}:${first.port}`;
  return `rp demo: listening on ${base}, in front of ${backends.length} backends (${NAMES.join(', ')}).

Try, in another terminal:
  curl ${base}/
  curl -N ${base}/events
  curl -i ${base}/cached
  curl -o /dev/null -w '%{size_download} bytes in %{time_total} s\\n' ${base}/big

There is more: ${base}/ in a browser shows it. Ctrl-C stops.
`;
};

/** `rp demo`: the proxy in front of three small backends in this process; ends with the proxy's exit code. */
export async function demo(listen: string | null, io: Io, runner: RunProxy): Promise<number> {
  const backends = NAMES.map((name) => new DemoBackend(name));
  try {
    await Promise.all(backends.map((backend) => backend.start()));
    const { config, problems } = demoConfig(listen ?? String(await freePort()), backends);
    if (config === null) {
      printProblems(problems, io);
      return 2;
    }
    const onReady = (listening: readonly ListeningAddress[]): void => {
      io.stdout.write(guide(listening, backends));
      io.onReady(listening);
    };
    return await runner({ kind: 'fixed', config }, { ...io, onReady });
  } finally {
    await Promise.all(backends.map((backend) => backend.stop()));
  }
}
