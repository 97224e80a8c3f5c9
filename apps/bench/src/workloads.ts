import type { Needs } from './peers/peer.ts';

/** How a workload is driven. */
export type Kind = 'wrk' | 'h2load' | 'latency' | 'connections' | 'handshakes';

/** A thing to measure. */
export interface Workload extends Needs {
  readonly name: string;
  readonly kind: Kind;
  readonly path: string;
  /** Heading of its section in the results. */
  readonly title: string;
  /** What is done and how to read the figures, for the results. */
  readonly about: string;
  /** Additional request fields. */
  readonly fields: readonly string[];
  /** For `handshakes`: whether sessions are resumed. */
  readonly resume: boolean;
}

/** What a browser sends along with a navigation. */
const BROWSER_FIELDS = [
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36',
  'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp',
  'Accept-Encoding: gzip, deflate, br',
  'Accept-Language: en-US,en;q=0.9',
  'Cookie: session=abcdefghijklmnopqrstuvwxyz0123456789; theme=dark',
  'Sec-Fetch-Mode: navigate',
];

function workload(
  name: string,
  kind: Kind,
  title: string,
  about: string,
  more: Partial<Workload> = {},
): Workload {
  const base = { path: '/100', fields: [], cache: false, tls: false, http2: false, resume: false };
  return { ...base, name, kind, title, about, ...more };
}

const KEEP_ALIVE = '64 keep-alive connections, wrk.';

/** Every workload, in the order of the results. */
export const WORKLOADS: readonly Workload[] = [
  workload('plain', 'wrk', 'Small answers', `100 bytes, minimal request, ${KEEP_ALIVE}`),
  workload('browser', 'wrk', 'Small answers, requests of a browser’s size', `100 bytes, ${KEEP_ALIVE}`, {
    fields: BROWSER_FIELDS,
  }),
  workload('10k', 'wrk', '10 KiB answers', KEEP_ALIVE, { path: '/10k' }),
  workload('1m', 'wrk', '1 MiB answers', KEEP_ALIVE, { path: '/1m' }),
  workload(
    'connection-per-request',
    'wrk',
    'A connection per request',
    '100 bytes, each request on a connection of its own (`Connection: close`), 64 at a time, wrk.',
    { fields: ['Connection: close'] },
  ),
  workload(
    'latency',
    'latency',
    'Latency at a fixed rate',
    '1,000 keep-alive connections, 5,000 requests/s in all, evenly spaced, 100 bytes. Latency counts from the moment a request was due, so queueing in front of a stalled proxy is part of it. “Added” is the difference from the direct path at the same percentile in the same round.',
  ),
  workload(
    'connections',
    'connections',
    '10,000 open connections',
    '10,000 keep-alive connections, one request on each, then idle: resident memory of the proxy’s processes before and after, divided. Then one more request on every connection: all must be served.',
  ),
  workload('hit', 'wrk', 'Cache hits, small', `100 bytes from the cache, ${KEEP_ALIVE}`, { cache: true }),
  workload('hit10k', 'wrk', 'Cache hits, 10 KiB', `From the cache, ${KEEP_ALIVE}`, {
    cache: true,
    path: '/10k',
  }),
  workload('tls', 'wrk', 'Small answers over TLS', `100 bytes, ${KEEP_ALIVE} ECDSA P-256 certificate.`, {
    tls: true,
  }),
  workload(
    'tls-handshake',
    'handshakes',
    'Full TLS handshakes',
    'A connection, a full TLS 1.3 handshake, one 100-byte request, close; 32 at a time. ECDSA P-256. µs are per connection; latency is that of the handshake.',
    { tls: true },
  ),
  workload(
    'tls-resumed',
    'handshakes',
    'Resumed TLS handshakes',
    'The same with a session ticket from an earlier connection; the client checks that the server resumed.',
    { tls: true, resume: true },
  ),
  workload('h2', 'h2load', 'HTTP/2 over TLS', '100 bytes, 16 connections × 8 streams, h2load.', {
    tls: true,
    http2: true,
  }),
];

/** Finds workloads by name; all of them for an empty list. Throws for a name that is none. */
export function workloadsByName(names: readonly string[]): readonly Workload[] {
  if (names.length === 0) return WORKLOADS;
  const wanted = names.map((name) => {
    const found = WORKLOADS.find((each) => each.name === name);
    if (!found)
      throw new RangeError(`no workload "${name}"; there are ${WORKLOADS.map((w) => w.name).join(', ')}`);
    return found;
  });
  return wanted;
}
