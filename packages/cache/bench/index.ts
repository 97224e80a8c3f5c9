// Micro benchmarks, printed as ns per operation. Run: node bench/index.ts [entries]
import { effectiveDirectives, HttpCache, variantKey } from '../src/index.ts';
import type { CacheRequest } from '../src/index.ts';

const START = Date.UTC(2026, 0, 1);
const BROWSER = [
  'Host',
  'www.example.com',
  'User-Agent',
  'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  'Accept',
  'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'Accept-Language',
  'en-US,en;q=0.5',
  'Accept-Encoding',
  'gzip, deflate, br, zstd',
  'Cookie',
  'session=0123456789abcdef',
  'Upgrade-Insecure-Requests',
  '1',
  'Sec-Fetch-Dest',
  'document',
  'Sec-Fetch-Mode',
  'navigate',
  'Sec-Fetch-Site',
  'none',
  'Priority',
  'u=0, i',
];
const SMALL = ['Host', 'www.example.com'];
const BODY = new Uint8Array(100);

function request(target: string, fields: readonly string[]): CacheRequest {
  return { method: 'GET', scheme: 'https', host: 'www.example.com', target, fields };
}

function store(cache: HttpCache, target: string, fields: readonly string[], vary: string): void {
  const decision = cache.lookup(request(target, fields), START);
  const extra = vary === '' ? [] : ['Vary', vary];
  const plan = cache.responded(
    decision,
    {
      status: 200,
      reason: 'OK',
      fields: [
        'Date',
        'Thu, 01 Jan 2026 00:00:00 GMT',
        'Content-Type',
        'text/plain',
        'Content-Length',
        '100',
        'Cache-Control',
        'public, max-age=86400',
        'ETag',
        '"0123456789"',
        ...extra,
      ],
    },
    START,
  );
  plan.writer?.write(BODY, true);
  plan.writer?.end();
  cache.finished(decision);
}

let sink = 0;

function measure(name: string, operation: (i: number) => number, rounds = 400_000): number {
  for (let i = 0; i < rounds / 4; i++) sink += operation(i);
  let best = Infinity;
  for (let run = 0; run < 3; run++) {
    const from = process.hrtime.bigint();
    for (let i = 0; i < rounds; i++) sink += operation(i);
    best = Math.min(best, Number(process.hrtime.bigint() - from) / rounds);
  }
  process.stdout.write(`${name.padEnd(58)} ${best.toFixed(0).padStart(8)} ns/op\n`);
  return best;
}

/** As a server sees it: the target is cut from the bytes of a request, so its hash is not known yet. */
function targets(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `/articles/2026/01/item-${i}.html?page=1`);
}

/** How targets are asked for: each as often as any other, or the n-th most popular one 1/n as often as the first. */
type Popularity = 'uniform' | 'zipf';

const LOOKUPS = 200_000;

/** Positions of targets, the same ones at every run. */
function drawn(entries: number, popularity: Popularity): Int32Array {
  let state = 42;
  const random = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 4_294_967_296;
  };
  return Int32Array.from({ length: LOOKUPS }, () => {
    if (popularity === 'uniform') return Math.floor(random() * entries);
    const rank = Math.floor(Math.exp(random() * Math.log(entries + 1))) - 1;
    return (Math.min(rank, entries - 1) * 7919) % entries; // neighbours in rank are none in memory
  });
}

function filled(entries: number): HttpCache {
  const cache = new HttpCache({ maxSize: 8 * 1024 * 1024 * 1024, coalesce: false });
  for (const target of targets(entries)) store(cache, target, SMALL, '');
  return cache;
}

/** A whole look-up; each target is cut from bytes like the parser does, so that its hash is not known yet. */
function hits(cache: HttpCache, entries: number, popularity: Popularity): number {
  const positions = drawn(entries, popularity);
  const asked = [...positions].map((i) => `/articles/2026/01/item-${i}.html?page=1`);
  const ends = new Int32Array(LOOKUPS + 1);
  for (let i = 0; i < LOOKUPS; i++) ends[i + 1] = (ends[i] as number) + (asked[i] as string).length;
  const bytes = Buffer.from(asked.join(''), 'latin1');
  asked.length = 0;
  return measure(
    `hit, ${entries} entries, ${popularity}`,
    (i) => {
      const target = bytes.toString('latin1', ends[i], ends[i + 1]);
      return cache.lookup(request(target, SMALL), START + 1000).lines.length;
    },
    LOOKUPS,
  );
}

function benchHits(): void {
  const cache = new HttpCache();
  store(cache, '/plain', BROWSER, '');
  store(cache, '/vary', BROWSER, 'Accept-Encoding');
  store(cache, '/vary3', BROWSER, 'Accept-Encoding, Accept-Language, Origin');
  const plain = request('/plain', BROWSER);
  measure('hit, browser request', (i) => cache.lookup(plain, START + i / 100).lines.length);
  const vary = request('/vary', BROWSER);
  measure(
    'hit, browser request, Vary: Accept-Encoding',
    (i) => cache.lookup(vary, START + i / 100).bodyLength,
  );
  const vary3 = request('/vary3', BROWSER);
  measure(
    'hit, browser request, Vary on three fields',
    (i) => cache.lookup(vary3, START + i / 100).bodyLength,
  );
  const reload = request('/plain', [...BROWSER, 'Cache-Control', 'max-age=86000']);
  measure('hit, with request directives', (i) => cache.lookup(reload, START + i / 100).bodyLength);
  const conditional = request('/plain', [...BROWSER, 'If-None-Match', '"0123456789"']);
  measure('304 to If-None-Match', (i) => cache.lookup(conditional, START + i / 100).status);
  const range = request('/plain', [...BROWSER, 'Range', 'bytes=10-19']);
  measure('206 to Range', (i) => cache.lookup(range, START + i / 100).status, 100_000);
}

function benchMisses(): void {
  const cache = new HttpCache({ maxSize: 32 * 1024 * 1024 });
  const all = targets(1000);
  let misses = 0;
  measure(
    'miss and store 100 bytes, evicting',
    () => {
      store(cache, `/articles/2026/01/item-${misses++}.html?page=1`, SMALL, '');
      return 1;
    },
    100_000,
  );
  const off = new HttpCache({ enabled: false });
  measure(
    'look-up with the cache off',
    (i) => off.lookup(request(all[i % 1000] as string, BROWSER), START).requestTime,
  );
  const fields = ['Cache-Control', 'public, max-age=600, stale-while-revalidate=30, immutable'];
  measure('parse Cache-Control', () => effectiveDirectives(fields, []).maxAge);
  measure(
    'variant key of Accept-Encoding',
    () => variantKey(['accept-encoding'], BROWSER, 'semantic').length,
  );
}

function benchUpkeep(entries: number): void {
  const cache = new HttpCache({ maxSize: 8 * 1024 * 1024 * 1024 });
  for (const target of targets(entries)) store(cache, target, SMALL, '');
  measure('sweep of 100 resources (nothing expired)', () => cache.sweep(START + 1000, 100), 2000);
  const from = process.hrtime.bigint();
  const removed = cache.purger.pattern('https://www.example.com/articles/*');
  const took = Number(process.hrtime.bigint() - from) / 1e6;
  process.stdout.write(
    `${`purge by pattern, ${removed} removed`.padEnd(58)} ${took.toFixed(1).padStart(8)} ms\n`,
  );
}

const entries = Number(process.argv[2] ?? 100_000);
benchHits();
benchMisses();
benchUpkeep(100_000);
for (const popularity of ['uniform', 'zipf'] as const) {
  const few = hits(filled(1000), 1000, popularity);
  const many = hits(filled(entries), entries, popularity);
  const name = `ratio, ${entries} to 1000 entries, ${popularity}`;
  process.stdout.write(`${name.padEnd(58)} ${(many / few).toFixed(2).padStart(8)}\n`);
}
if (sink === 0) process.stdout.write('nothing measured\n');
