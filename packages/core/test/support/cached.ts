import { HttpCache, type CacheOptions } from '@rp/cache';
import { expect } from 'vitest';
import type { BackendScript, Handler, RecordingBackend } from './backend.ts';
import { RawClient, status } from './client.ts';
import { field, type Message } from './message.ts';
import { startBackend, startProxy, type ProxyOptions, type TestProxy } from './proxy.ts';

const START = Date.UTC(2026, 5, 1, 12, 0, 0);

/** A proxy with a cache in front of one backend; time is only what the test says. */
export class Cached {
  readonly cache: HttpCache;
  readonly backend: RecordingBackend;
  readonly proxy: TestProxy;
  readonly #time: { now: number };

  constructor(cache: HttpCache, backend: RecordingBackend, proxy: TestProxy, time: { now: number }) {
    this.cache = cache;
    this.backend = backend;
    this.proxy = proxy;
    this.#time = time;
  }

  /** Seconds since the start. */
  at(seconds: number): void {
    this.#time.now = START + seconds * 1000;
  }
}

export async function startCached(
  script: BackendScript | Handler,
  options: CacheOptions = {},
  more: Partial<ProxyOptions> = {},
): Promise<Cached> {
  const cache = new HttpCache({ random: () => 0.5, ...options });
  const time = { now: START };
  const backend = await startBackend(script);
  const proxy = await startProxy({
    ...more,
    backends: more.backends ?? [backend.port],
    cache,
    wallClock: () => time.now,
  });
  return new Cached(cache, backend, proxy, time);
}

/** An HTTP-date so many seconds from the start. */
export const date = (seconds: number): string => new Date(START + seconds * 1000).toUTCString();

/** One request of a scenario, and what is to become of it. */
export interface Step {
  /** Seconds since the start. Default: as before. */
  readonly at?: number;
  readonly method?: string;
  readonly target?: string;
  readonly host?: string;
  /** Field lines of the request. */
  readonly ask?: readonly string[];
  /** What the backend answers if it is asked: status line without version, then field lines. */
  readonly reply?: readonly string[];
  readonly body?: string;
  /** The same for a request without `If-None-Match`. */
  readonly unconditional?: readonly string[];
  /** Whether the backend is asked. */
  readonly by: 'backend' | 'cache';
  readonly status?: number;
  /** Fields of the answer, each with a part of its value; `undefined`: not there. */
  readonly fields?: Readonly<Record<string, string | RegExp | undefined>>;
  /** Body of the answer. */
  readonly content?: string;
  /** The same for the request that the backend sees. */
  readonly forwarded?: Readonly<Record<string, string | RegExp | undefined>>;
}

/** What of a message is not as wanted. */
function mistakes(message: Message, fields: Step['fields']): string[] {
  return Object.entries(fields ?? {}).flatMap(([name, wanted]) => {
    const value = field(message, name);
    const right = wanted instanceof RegExp ? wanted.test(value ?? '') : value === wanted;
    return right ? [] : [`${name}: ${value}, not ${wanted}`];
  });
}

/** Goes through the steps on one client connection. */
export async function scenario(
  steps: readonly Step[],
  options: CacheOptions = {},
  more: Partial<ProxyOptions> = {},
): Promise<void> {
  let current: Step | undefined;
  const cached = await startCached(
    (request, connection) => {
      const reply = field(request, 'if-none-match') === undefined ? current?.unconditional : undefined;
      const [start = '200 OK', ...lines] = reply ?? current?.reply ?? [];
      const body = Buffer.from(current?.body ?? 'body', 'latin1');
      const bodiless = /^(204|304)/.test(start) || request.start.startsWith('HEAD');
      const length = lines.some((line) => /^content-length:/i.test(line)) || /^(204|304)/.test(start);
      const head = [
        `HTTP/1.1 ${start}`,
        ...lines,
        ...(length ? [] : [`Content-Length: ${body.length}`]),
        '',
        '',
      ];
      connection.write(
        Buffer.concat([Buffer.from(head.join('\r\n'), 'latin1'), bodiless ? Buffer.alloc(0) : body]),
      );
    },
    options,
    more,
  );
  const client = await RawClient.connect(cached.proxy.port);
  const methods: string[] = [];
  let asked = 0;
  for (const [index, each] of steps.entries()) {
    current = each;
    const { method = 'GET', target = '/', host = 'a', ask = [] } = each;
    if (each.at !== undefined) cached.at(each.at);
    methods.push(method);
    client.write([`${method} ${target} HTTP/1.1`, `Host: ${host}`, ...ask, '', ''].join('\r\n'));
    const answer = (await client.responses(index + 1, methods))[index]!;
    const by = cached.backend.requests.length > asked ? 'backend' : 'cache';
    asked = cached.backend.requests.length;
    const seen = { by, status: status(answer), content: answer.body.toString('latin1') };
    const wanted = { by: each.by, status: each.status ?? seen.status, content: each.content ?? seen.content };
    const wrong = mistakes(answer, each.fields);
    if (each.forwarded !== undefined)
      wrong.push(...mistakes(cached.backend.requests.at(-1)!, each.forwarded));
    const step = index + 1;
    const cacheStatus = field(answer, 'cache-status');
    expect({ step, cacheStatus, ...seen, wrong }).toEqual({ step, cacheStatus, ...wanted, wrong: [] });
  }
  client.destroy();
}
