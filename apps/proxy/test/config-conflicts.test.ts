import { describe, expect, it } from 'vitest';
import { MINIMAL, mistakes, valid } from './support.ts';

const seen = (text: string) =>
  mistakes(text).map(({ path, line, column, message }) => `${line}:${column} ${path}: ${message}`);

const upstreams = `upstreams:
  a: { backends: [{ url: http://a:1 }] }
  b: { backends: [{ url: http://b:1 }] }
`;
const one = (options: string, backends = '[{ url: http://a:1 }]'): string => `listeners: [{ port: 1 }]
upstreams:
  a:
    backends: ${backends}
    ${options}
`;

const table: readonly (readonly [name: string, text: string, expected: RegExp])[] = [
  ['no upstream', 'listeners: [{ port: 1 }]\n', /^1:1 upstreams: there is no upstream/],
  [
    'several upstreams without routes',
    `listeners: [{ port: 1 }]\n${upstreams}`,
    /^2:1 upstreams: there are 2 upstreams but neither/,
  ],
  [
    'a route to nowhere',
    `${MINIMAL}routes: [{ upstream: ap }]\n`,
    /^3:22 routes\[0\]\.upstream: there is no upstream of this name/,
  ],
  ['a default to nowhere', `${MINIMAL}defaultUpstream: ap\n`, /^3:18 defaultUpstream: there is no upstream/],
  [
    'the same route twice',
    `${MINIMAL}routes:\n  - { host: A.com, upstream: app }\n  - { host: a.com, upstream: app }\n`,
    /^5:5 routes\[1\]: routes\[0\] matches the same/,
  ],
  [
    'a host with port',
    `${MINIMAL}routes: [{ host: "a.com:80", upstream: app }]\n`,
    /^3:18 routes\[0\]\.host: a host is matched without/,
  ],
  [
    'a star in the middle',
    `${MINIMAL}routes: [{ host: "a.*.com", upstream: app }]\n`,
    /may only stand first/,
  ],
  ['a path without slash', `${MINIMAL}routes: [{ path: x, upstream: app }]\n`, /did you mean "\/x"/],
  [
    'two listeners on one port',
    `listeners: [{ port: 80 }, { address: 127.0.0.1, port: 80 }]\n${MINIMAL.split('\n')[1]}`,
    /^1:55 listeners\[1\]\.port: port 80 of this address is taken by listeners\[0\]/,
  ],
  ['admin on a listener', `${MINIMAL}admin: { port: 8080 }\n`, /^3:16 admin\.port: port 8080/],
  ['admin for everybody', `${MINIMAL}admin: { address: 0.0.0.0 }\n`, /^3:19 admin\.address: .*needs a token/],
  [
    'HTTP/2 without TLS',
    `listeners: [{ port: 1, http2: true }]\n${MINIMAL.split('\n')[1]}`,
    /^1:31 listeners\[0\]\.http2: HTTP\/2 needs "tls"/,
  ],
  [
    'h2c with TLS',
    `listeners: [{ port: 1, h2c: true, tls: { certificates: [{ cert: a, key: b }] } }]\n${MINIMAL.split('\n')[1]}`,
    /listeners\[0\]\.h2c/,
  ],
  [
    'redirecting TLS to itself',
    `listeners: [{ port: 1, redirectToHttps: {}, tls: { certificates: [{ cert: a, key: b }] } }]`,
    /redirect to itself/,
  ],
  [
    'routes behind nothing but redirects',
    `listeners: [{ port: 1, redirectToHttps: {} }]\n${MINIMAL.split('\n')[1]}`,
    /^2:12 upstreams: every listener redirects/,
  ],
  [
    'client certificates without authority',
    `listeners: [{ port: 1, tls: { certificates: [{ cert: a, key: b }], clientAuth: { mode: required } } }]\n${MINIMAL.split('\n')[1]}`,
    /clientAuth\.mode: "required" needs "ca"/,
  ],
  [
    'a missing certificate',
    `listeners: [{ port: 1, tls: { certificates: [{ cert: missing.pem, key: b }] } }]\n${MINIMAL.split('\n')[1]}`,
    /^1:54 listeners\[0\]\.tls\.certificates\[0\]\.cert: there is no such file/,
  ],
  [
    'more idle connections than connections',
    one('pool: { maxConnections: 4, maxIdle: 5 }'),
    /^5:41 upstreams\.a\.pool\.maxIdle: maxIdle \(5\) is above maxConnections \(4\)/,
  ],
  [
    'a lower limit above the upper one',
    one('pool: { minIdle: 9, maxIdle: 5 }'),
    /^5:22 upstreams\.a\.pool\.minIdle: minIdle \(9\) is above maxIdle \(5\)/,
  ],
  [
    'the same backend twice',
    one('', '[{ url: http://a:1 }, { url: http://a:1 }]'),
    /^4:44 upstreams\.a\.backends\[1\]\.url: "a:1" is backends\[0\] already/,
  ],
  [
    'the same name twice',
    one('', '[{ url: http://a:1, name: x }, { url: http://a:2, name: x }]'),
    /backends\[1\]\.name/,
  ],
  [
    'only weights of 0',
    one('algorithm: weighted-round-robin', '[{ url: http://a:1, weight: 0 }]'),
    /^4:15 upstreams\.a\.backends: every backend has the weight 0/,
  ],
  [
    'weights that are not looked at',
    one('', '[{ url: http://a:1, weight: 3 }]'),
    /^4:43 .*weighted-round-robin/,
  ],
  ['TLS options without TLS', one('tls: { verify: false }'), /^5:10 upstreams\.a\.tls: TLS is not used/],
  [
    'a client certificate without key',
    one('tls: { cert: x.pem }', '[{ url: https://a }]'),
    /^5:18 upstreams\.a\.tls\.cert: a certificate needs its "key"/,
  ],
  [
    'a check that takes longer than its interval',
    one('healthCheck: { interval: 1s }'),
    /^5:30 upstreams\.a\.healthCheck\.interval/,
  ],
  [
    'looking into the body of HEAD',
    one('healthCheck: { method: HEAD, expectBody: ok }'),
    /healthCheck\.expectBody: a response to HEAD has no body/,
  ],
  [
    'an ejection longer than the longest',
    one('passiveHealth: { ejectionTime: 10m }'),
    /passiveHealth\.ejectionTime/,
  ],
  [
    'a circuit open for longer than the longest',
    one('circuitBreaker: { openTime: 10s, maxOpenTime: 5s }'),
    /^5:33 upstreams\.a\.circuitBreaker\.openTime: openTime is above maxOpenTime/,
  ],
  [
    'two windows for one count',
    one('passiveHealth: { window: 5s }\n    circuitBreaker: { window: 6s }'),
    /^5:30 upstreams\.a\.passiveHealth\.window: requests are counted once/,
  ],
  [
    'a back-off above its longest',
    one('retry: { backoff: 50ms, maxBackoff: 10ms }'),
    /^5:41 upstreams\.a\.retry\.maxBackoff: maxBackoff is below backoff/,
  ],
  [
    'statuses to repeat without attempts',
    one('retry: { attempts: 0, statuses: [503] }'),
    /^5:37 upstreams\.a\.retry\.statuses: nothing is repeated/,
  ],
  [
    'statuses to repeat that say what was wrong with the request',
    one('retry: { statuses: [404] }'),
    /^5:25 upstreams\.a\.retry\.statuses\[0\]: /,
  ],
  [
    'a range of such statuses that begins among them',
    one('retry: { statuses: ["404-503"] }'),
    /upstreams\.a\.retry\.statuses\[0\]: no status below 500/,
  ],
  ['checks that vary by more than half', one('healthCheck: { jitter: 51% }'), /healthCheck\.jitter/],
  ['a slow start from nothing', one('slowStartShare: 0%'), /^5:21 upstreams\.a\.slowStartShare/],
  [
    'a name server by name',
    one('dns: { servers: [dns.example] }'),
    /^5:22 upstreams\.a\.dns\.servers\[0\]: a name server is given by its IP address/,
  ],
  [
    'a pool that backs off for longer than the longest',
    one('pool: { backoff: 6s, maxBackoff: 5s }'),
    /^5:22 upstreams\.a\.pool\.backoff: backoff is above maxBackoff/,
  ],
  [
    'a limit of temporary connections that are never made',
    one('pool: { maxOverflow: 5 }'),
    /^5:26 upstreams\.a\.pool\.maxOverflow: this counts with "onExhausted: overflow" only/,
  ],
  ...['minIdle: 1', 'maxIdle: 8', 'onExhausted: fail', 'backoff: 1s', 'maxBackoff: 2s'].map(
    (option) =>
      [
        `a pool option that HTTP/2 has no use for: ${option}`,
        one(`pool: { ${option} }`, '[{ url: h2c://a:1 }, { url: h2://b:1 }]'),
        /^5:\d+ upstreams\.a\.pool\.\w+: this has no effect: every backend speaks HTTP\/2/,
      ] as const,
  ),
  [
    'affinity that the algorithm has already',
    one('algorithm: ip-hash\n    affinity: { by: ip }'),
    /^6:21 upstreams\.a\.affinity\.by/,
  ],
  [
    'a log file in a missing folder',
    `${MINIMAL}log: { access: { file: missing/a.log } }\n`,
    /^3:24 log\.access\.file: there is no such folder/,
  ],
  [
    'entries larger than the cache',
    `${MINIMAL}cache: { maxSize: 1MB, maxEntrySize: 2MB }\n`,
    /^3:38 cache\.maxEntrySize: maxEntrySize is above maxSize/,
  ],
];

describe('options that contradict each other', () => {
  it.each(table)('%s', (_name, text, expected) => {
    const found = seen(text);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(expected);
  });

  it('are found together with mistakes elsewhere', () => {
    const found = seen(`${MINIMAL}workers: x\nroutes: [{ upstream: nope }]\nadmin: { address: "::" }\n`);
    expect(found.map((line) => line.slice(0, line.indexOf(' ')))).toEqual(['3:10', '4:22', '5:19']);
  });

  it('are not reported as consequences of another mistake', () => {
    expect(seen(one('pool: { maxConnections: x, maxIdle: 50 }'))).toHaveLength(1);
    expect(seen(`listeners: [{ port: 1 }]\nupstreams: 7\nroutes: [{ upstream: a }]\n`)).toHaveLength(1);
    expect(seen(one('algorithm: wrr', '[{ url: http://a:1, weight: 3 }]'))).toHaveLength(1);
  });
});

describe('options that look alike but fit together', () => {
  it('two listeners of one port on different addresses, any free port twice, only redirects', () => {
    const listeners =
      '[{ address: 127.0.0.1, port: 80 }, { address: 127.0.0.2, port: 80 }, { port: 0 }, { port: 0 }]';
    expect(valid(`listeners: ${listeners}\n${MINIMAL.split('\n')[1]}`).listeners).toHaveLength(4);
    expect(valid('listeners: [{ port: 80, redirectToHttps: {} }]').upstreams).toEqual([]);
    expect(
      valid(`listeners: [{ port: 1, http2: true, h2c: true }]\n${MINIMAL.split('\n')[1]}`),
    ).toBeDefined();
    expect(valid(`listeners: [{ port: 1 }]\ndefaultUpstream: b\n${upstreams}`).defaultUpstream).toBe('b');
  });
});
