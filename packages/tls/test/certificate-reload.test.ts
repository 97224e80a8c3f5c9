import { cpSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterAll, describe, expect, it } from 'vitest';
import {
  CertificateReloader,
  type CertificateReloaderOptions,
  type DirectoryWatcher,
  type ReloadResult,
  type Timers,
  TlsServerBinding,
} from '@rp/tls';
import { Authority, type Issued, inDays } from './support/authority.ts';
import { close, connect, listen } from './support/wire.ts';

const authority = new Authority();
afterAll(() => authority.close());
const first = authority.issue('first.example');
const second = authority.issue('second.example');
const third = authority.issue('third.example');
let folders = 0;

/** Timers that fire when the test says so. */
class FakeTimers implements Timers {
  readonly armed: Map<object, { callback: () => void; milliseconds: number }> = new Map();

  set(callback: () => void, milliseconds: number): object {
    const timer = {};
    this.armed.set(timer, { callback, milliseconds });
    return timer;
  }

  clear(timer: unknown): void {
    this.armed.delete(timer as object);
  }

  fire(milliseconds: number): void {
    // What a callback arms waits for the next time.
    const due = Array.from(this.armed).filter(([, entry]) => entry.milliseconds === milliseconds);
    for (const [timer, entry] of due) {
      this.armed.delete(timer);
      entry.callback();
    }
  }
}

/** A watcher whose events the test makes. */
class FakeWatcher {
  readonly watched: Map<string, () => void> = new Map();
  readonly watch: DirectoryWatcher = (directory, onEvent) => {
    this.watched.set(directory, onEvent);
    return () => this.watched.delete(directory);
  };

  event(): void {
    for (const onEvent of this.watched.values()) onEvent();
  }
}

function put(folder: string, issued: Issued): void {
  // As certbot and most tools do it: a new file beside the old one, renamed over it.
  for (const [name, text] of [
    ['tls.crt', issued.chainPem],
    ['tls.key', issued.keyPem],
  ] as const) {
    writeFileSync(join(folder, `${name}.new`), text, { mode: 0o600 });
    renameSync(join(folder, `${name}.new`), join(folder, name));
  }
}

function setUp(options: Partial<CertificateReloaderOptions> = {}, issued: Issued = first) {
  const folder = authority.path(`folder${(folders += 1)}`);
  mkdirSync(folder);
  put(folder, issued);
  const timers = new FakeTimers();
  const watcher = new FakeWatcher();
  const results: ReloadResult[] = [];
  const source = { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') };
  const reloader = new CertificateReloader({
    sources: [source],
    now: Date.now,
    onReload: (result) => results.push(result),
    onWatchError: (directory, error) => {
      throw new Error(`cannot watch ${directory}`, { cause: error });
    },
    timers,
    watch: watcher.watch,
    ...options,
  });
  return { folder, timers, watcher, results, reloader, source };
}

const namesOf = (reloader: CertificateReloader): string[] => reloader.store.names();

describe('reload', () => {
  it('follows files that are replaced, after a quiet time', () => {
    const { folder, timers, watcher, results, reloader } = setUp();
    reloader.start();
    put(folder, second);
    watcher.event();
    watcher.event();
    watcher.event();
    expect(namesOf(reloader)).toEqual(['first.example']);
    timers.fire(500);
    expect(namesOf(reloader)).toEqual(['second.example']);
    expect(results).toMatchObject([
      { loaded: [{ names: ['second.example'] }], kept: [], problems: [], error: undefined },
    ]);
    reloader.stop();
    expect(watcher.watched.size).toBe(0);
    expect(timers.armed.size).toBe(0);
  });

  it('finds what changed between the load and the start of the watch, which makes no event', () => {
    const { folder, timers, reloader } = setUp();
    put(folder, second);
    reloader.start();
    timers.fire(500);
    expect(namesOf(reloader)).toEqual(['second.example']);
    reloader.stop();
    expect(timers.armed.size).toBe(0);
  });

  it('reads nothing when events change nothing', () => {
    const { timers, watcher, results, reloader } = setUp();
    reloader.start();
    watcher.event();
    timers.fire(500);
    expect(results).toEqual([]);
    expect(reloader.check()).toBeUndefined();
  });

  it('finds changes by polling where there are no events', () => {
    const { folder, timers, reloader } = setUp();
    reloader.start();
    put(folder, second);
    timers.fire(60_000);
    expect(namesOf(reloader)).toEqual(['second.example']);
    put(folder, third);
    timers.fire(60_000);
    expect(namesOf(reloader)).toEqual(['third.example']);
  });

  it('follows a symbolic link that is swapped above the files (Kubernetes)', () => {
    const folder = authority.path('k8s');
    for (const [name, issued] of [
      ['v1', first],
      ['v2', second],
    ] as const) {
      mkdirSync(join(folder, name), { recursive: true });
      put(join(folder, name), issued);
    }
    symlinkSync('v1', join(folder, '..data'));
    for (const file of ['tls.crt', 'tls.key']) symlinkSync(join('..data', file), join(folder, file));
    const sources = [{ cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') }];
    const { reloader, watcher, timers } = setUp({ sources });
    reloader.start();
    expect([...watcher.watched.keys()]).toEqual([folder]);
    symlinkSync('v2', join(folder, '..data_tmp'));
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
    watcher.event();
    timers.fire(500);
    expect(namesOf(reloader)).toEqual(['second.example']);
  });

  it('keeps the old certificate when the new file is bad, and says why, once', () => {
    const { folder, results, reloader, source } = setUp();
    writeFileSync(source.cert, 'nonsense');
    reloader.check();
    expect(namesOf(reloader)).toEqual(['first.example']);
    expect(results[0]).toMatchObject({
      loaded: [],
      kept: [{ names: ['first.example'] }],
      problems: [{ file: source.cert, code: 'TLS_CERT_UNPARSABLE' }],
    });
    expect(reloader.check()).toBeUndefined();
    put(folder, second);
    reloader.check();
    expect(namesOf(reloader)).toEqual(['second.example']);
  });

  it('keeps the old pair while only one of two files is new', () => {
    const { reloader, results, source } = setUp();
    writeFileSync(source.cert, second.chainPem);
    reloader.check();
    expect(namesOf(reloader)).toEqual(['first.example']);
    expect(results[0]?.problems).toMatchObject([{ code: 'TLS_KEY_MISMATCH' }]);
    writeFileSync(source.key, second.keyPem);
    reloader.check();
    expect(namesOf(reloader)).toEqual(['second.example']);
  });

  it('keeps the old certificate when the files are gone, and when the new one has expired', () => {
    let now = Date.now();
    const { folder, reloader, results } = setUp({ now: () => now });
    rmSync(join(folder, 'tls.crt'));
    reloader.check();
    expect(results[0]).toMatchObject({
      kept: [{ names: ['first.example'] }],
      problems: [{ code: 'TLS_FILE_UNREADABLE' }],
    });
    put(folder, authority.issue('short.example', { days: 1 }));
    now = inDays(2);
    reloader.check();
    expect(results[1]?.problems).toMatchObject([{ code: 'TLS_EXPIRED' }]);
    expect(namesOf(reloader)).toEqual(['first.example']);
  });

  it('keeps the store and its certificates when nothing changed', () => {
    const { reloader } = setUp();
    const before = reloader.store;
    expect(reloader.reload()).toMatchObject({ loaded: [], kept: [] });
    expect(reloader.store).toBe(before);
  });

  it('takes new sources, keeps what both lists have, and lets go of the rest', () => {
    const { reloader, source, watcher } = setUp();
    reloader.start();
    const kept = reloader.store.certificates[0];
    reloader.reload([source, { cert: second.cert, key: second.key }]);
    expect(namesOf(reloader)).toEqual(['first.example', 'second.example']);
    expect(reloader.store.certificates[0]).toBe(kept);
    expect(watcher.watched.size).toBe(2);
    reloader.reload([{ cert: second.cert, key: second.key }]);
    expect(namesOf(reloader)).toEqual(['second.example']);
    expect([...watcher.watched.keys()]).toEqual([authority.folder]);
  });

  it('refuses a store without the default name as a whole', () => {
    const { folder, reloader, results } = setUp({ store: { defaultName: 'first.example' } });
    put(folder, second);
    reloader.check();
    expect(results[0]).toMatchObject({ error: { code: 'TLS_OPTION' } });
    expect(namesOf(reloader)).toEqual(['first.example']);
    put(folder, first);
    reloader.check();
    expect(results[1]).toMatchObject({ error: undefined });
  });

  it('reports what is bad at the start and serves the rest', () => {
    const sources = [
      { cert: first.cert, key: first.key },
      { cert: authority.path('none'), key: first.key },
    ];
    const { reloader } = setUp({ sources });
    expect(reloader.initial.problems).toMatchObject([{ code: 'TLS_FILE_UNREADABLE' }]);
    expect(namesOf(reloader)).toEqual(['first.example']);
  });

  it('tells of directories that cannot be watched, and goes on', () => {
    const failed: string[] = [];
    const watch: DirectoryWatcher = () => {
      throw new Error('no more watches');
    };
    const { folder, reloader } = setUp({ watch, onWatchError: (directory) => failed.push(directory) });
    reloader.start();
    expect(failed).toEqual([folder]);
    reloader.stop();
  });

  it('works with the real file system events', async () => {
    const done = Promise.withResolvers<ReloadResult>();
    const folder = authority.path('real');
    cpSync(setUp().folder, folder, { recursive: true });
    const reloader = new CertificateReloader({
      sources: [{ cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') }],
      now: Date.now,
      onReload: (result) => result.loaded.length > 0 && done.resolve(result),
      onWatchError: (_directory, error) => done.reject(error),
      debounce: 10,
      pollInterval: 0,
    });
    reloader.start();
    put(folder, second);
    expect((await done.promise).store.names()).toEqual(['second.example']);
    reloader.stop();
  });

  it('refuses a debounce that is out of range', () => {
    expect(() => setUp({ debounce: -1 })).toThrow(/debounce/);
    expect(() => setUp({ debounce: 60_001 })).toThrow(/debounce/);
  });
});

it('swaps certificates 100 times under load, good and bad in turn, without a failed handshake', async () => {
  const state = setUp();
  const binding = new TlsServerBinding({ store: state.reloader.store, now: Date.now });
  const server = tls.createServer(binding.serverOptions());
  binding.attach(server);
  const failures: unknown[] = [];
  server.on('tlsClientError', (error) => failures.push(error));
  const port = await listen(server);
  const served: Set<string> = new Set();
  const load = { running: true };
  const client = async (servername: string): Promise<void> => {
    while (load.running) {
      const { text, commonName } = await connect(port, { servername });
      expect(text).toBe('hello\n');
      served.add(commonName ?? '');
    }
  };
  const clients = [client('first.example'), client('second.example'), client('unknown.example')];
  const broken = { ...first, chainPem: 'broken' };
  let named = 0;
  for (let round = 0; round < 100; round += 1) {
    const turn = [first, broken, second, broken][round % 4] ?? first;
    put(state.folder, turn);
    const result = state.reloader.check();
    if (turn === broken)
      named += result?.problems.filter(({ code }) => code === 'TLS_CERT_UNPARSABLE').length ?? 0;
    binding.update(state.reloader.store);
    await new Promise((resolve) => setImmediate(resolve));
  }
  load.running = false;
  await Promise.all(clients);
  await close(server);
  expect(failures).toEqual([]);
  expect(named).toBe(50);
  expect(served).toEqual(new Set(['first.example', 'second.example']));
});

it('leaves open connections alone when certificates change', async () => {
  const { reloader, folder } = setUp();
  const binding = new TlsServerBinding({ store: reloader.store, now: Date.now });
  const server = tls.createServer(binding.serverOptions(), (socket) => socket.pipe(socket));
  binding.attach(server);
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
  const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  const answer = (text: string): Promise<string> =>
    new Promise((resolve) => {
      socket.once('data', (data: Buffer) => resolve(data.toString()));
      socket.write(text);
    });
  expect(await answer('before')).toBe('before');
  put(folder, second);
  reloader.check();
  binding.update(reloader.store);
  expect(await answer('after')).toBe('after');
  expect(socket.getPeerCertificate().subject.CN).toBe('first.example');
  socket.destroy();
  await close(server);
});
