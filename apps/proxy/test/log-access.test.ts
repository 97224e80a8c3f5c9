import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { accessFormatter, AccessLog, AccessRecord, maskTarget, type AccessFormat } from '../src/log/index.ts';

const record = (fields: Partial<AccessRecord> = {}): AccessRecord =>
  Object.assign(new AccessRecord(), {
    time: Date.UTC(2026, 8, 21, 14, 13, 20, 7),
    client: '203.0.113.7',
    method: 'GET',
    target: '/',
    version: 'HTTP/1.1',
    status: 200,
    bytesOut: 5,
    duration: 1.25,
    ...fields,
  });

const line = (format: AccessFormat, fields: Partial<AccessRecord> = {}): string =>
  accessFormatter(format).format(record(fields));

/** Text of every kind: bytes of the wire, controls, quotes, beyond the BMP, lone surrogates. */
const nasty = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.string({
    unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
    maxLength: 30,
  }),
  fc.constantFrom(
    '" 200 1 "-" "x',
    '\r\n{"level":"error"}',
    '\ud800',
    '\u2028',
    '\u009b2J',
    '\\',
    '\\"',
    '😀',
  ),
);
const texts = [
  'client',
  'method',
  'target',
  'version',
  'upstream',
  'backend',
  'cache',
  'requestId',
  'host',
  'userAgent',
  'referer',
  'errorCode',
] as const;

describe('a line of the access log', () => {
  it('json: names what there is and leaves out what there is not', () => {
    expect(line('json')).toBe(
      '{"time":"2026-09-21T14:13:20.007Z","client":"203.0.113.7","method":"GET","target":"/","version":"HTTP/1.1","status":200,"bytesIn":0,"bytesOut":5,"duration":1.25}\n',
    );
    const full = {
      host: 'a.example',
      upstream: 'app',
      backend: '10.0.0.1:80',
      cache: 'miss',
      retries: 1,
      requestId: 'id',
      referer: 'http://r/',
      userAgent: 'curl/8',
      queueTime: 0.1,
      firstByteTime: 1.2345,
    };
    expect(JSON.parse(line('json', { ...full, errorCode: 'BACKEND_RESET' }))).toEqual({
      time: '2026-09-21T14:13:20.007Z',
      client: '203.0.113.7',
      method: 'GET',
      target: '/',
      version: 'HTTP/1.1',
      status: 200,
      bytesIn: 0,
      bytesOut: 5,
      duration: 1.25,
      ...full,
      firstByteTime: 1.235,
      error: 'BACKEND_RESET',
    });
  });

  it('common and combined: as other servers write them, in UTC', () => {
    const common = '203.0.113.7 - - [21/Sep/2026:14:13:20 +0000] "GET / HTTP/1.1" 200 5';
    expect(line('common')).toBe(`${common}\n`);
    expect(line('combined')).toBe(`${common} "-" "-"\n`);
    expect(line('combined', { referer: 'http://r/', userAgent: 'a "b" \\ c' })).toBe(
      `${common} "http://r/" "a \\"b\\" \\\\ c"\n`,
    );
    expect(line('common', { bytesOut: 0, client: '' })).toBe(
      '- - - [21/Sep/2026:14:13:20 +0000] "GET / HTTP/1.1" 200 -\n',
    );
  });

  it('follows the clock from second to second', () => {
    const formatter = accessFormatter('json');
    const at = (time: number) => (JSON.parse(formatter.format(record({ time }))) as { time: string }).time;
    expect([at(999), at(1000), at(999), at(61_050)]).toEqual([
      '1970-01-01T00:00:00.999Z',
      '1970-01-01T00:00:01.000Z',
      '1970-01-01T00:00:00.999Z',
      '1970-01-01T00:01:01.050Z',
    ]);
  });

  it('cannot be forged: whatever a client sends stays on one line of printable ASCII', () => {
    const formatters = (['json', 'common', 'combined'] as const).map(accessFormatter);
    fc.assert(
      fc.property(fc.tuple(...texts.map(() => nasty)), (values) => {
        const fields = Object.fromEntries(texts.map((name, index) => [name, values[index]]));
        for (const formatter of formatters) expect(formatter.format(record(fields))).toMatch(/^[ -~]*\n$/u);
      }),
      { numRuns: 300, seed: 3 },
    );
  });

  it('json: gives back exactly what came in', () => {
    const formatter = accessFormatter('json');
    fc.assert(
      fc.property(nasty, nasty, nasty, (userAgent, host, method) => {
        const read = JSON.parse(formatter.format(record({ userAgent, host, method }))) as Record<
          string,
          string
        >;
        expect([read.userAgent ?? '', read.host ?? '', read.method]).toEqual([userAgent, host, method]);
      }),
      { numRuns: 300, seed: 5 },
    );
  });

  it('combined: quotes of a client never end a quoted part', () => {
    const formatter = accessFormatter('combined');
    const shape = /^\S+ - - \[[^\]]+\] "(?:[^"\\]|\\.)*" \d+ \S+ "(?:[^"\\]|\\.)*" "(?:[^"\\]|\\.)*"\n$/u;
    fc.assert(
      fc.property(fc.tuple(...texts.map(() => nasty)), (values) => {
        const fields = Object.fromEntries(texts.map((name, index) => [name, values[index]]));
        expect(formatter.format(record(fields))).toMatch(shape);
      }),
      { numRuns: 300, seed: 9 },
    );
  });
});

describe('secrets in targets', () => {
  it.each([
    ['/x?token=abc&page=2', '/x?token=***&page=2'],
    ['/x?a=1&access_token=abc', '/x?a=1&access_token=***'],
    ['/x?API-KEY=abc;password=1#session_id=9', '/x?API-KEY=***;password=***#session_id=***'],
    ['/x?X-Amz-Signature=ff&X-Amz-Credential=k', '/x?X-Amz-Signature=***&X-Amz-Credential=***'],
    ['http://user:pw@host/x', 'http://***@host/x'],
    ['/x?q=token&page=2', '/x?q=token&page=2'],
    ['/a=b/c', '/a=b/c'],
    ['/mail@example', '/mail@example'],
    ['*', '*'],
  ])('%s', (target, masked) => {
    expect(maskTarget(target)).toBe(masked);
  });

  it('are masked in every format', () => {
    for (const format of ['json', 'common', 'combined'] as const) {
      expect(line(format, { target: '/?token=abc', referer: 'http://r/?password=abc' })).not.toContain('abc');
    }
  });
});

describe('the access log', () => {
  const collect = (batchBytes: number) => {
    const batches: (readonly [string, number])[] = [];
    return {
      batches,
      sink: { batchBytes, write: (batch: string, lines: number) => void batches.push([batch, lines]) },
    };
  };

  it('hands lines on in batches that are never longer than the sink wants', () => {
    const { batches, sink } = collect(1000);
    const log = new AccessLog(sink, 'json');
    for (let index = 0; index < 50; index++) log.log(record({ target: `/${'x'.repeat(index)}` }));
    log.close();
    expect(Math.max(...batches.map(([batch]) => batch.length))).toBeLessThanOrEqual(1000);
    expect(batches.length).toBeLessThan(15);
    expect(batches.reduce((sum, [, lines]) => sum + lines, 0)).toBe(50);
    expect(
      batches
        .map(([batch]) => batch)
        .join('')
        .split('\n'),
    ).toHaveLength(51);
    expect(log.lines).toBe(50);
  });

  it('hands on a line that is longer than a batch', () => {
    const { batches, sink } = collect(100);
    const log = new AccessLog(sink, 'json');
    log.log(record());
    log.log(record({ target: `/${'x'.repeat(500)}` }));
    expect(batches.map(([, lines]) => lines)).toEqual([1, 1]);
  });

  it('lets the record be used again at once', () => {
    const { batches, sink } = collect(100_000);
    const log = new AccessLog(sink, 'json');
    const one = record();
    log.log(one);
    one.clear();
    expect({ ...one }).toEqual({ ...new AccessRecord() });
    log.flush();
    log.flush();
    expect(batches).toHaveLength(1);
    expect(batches[0]?.[0]).toContain('203.0.113.7');
  });
});
