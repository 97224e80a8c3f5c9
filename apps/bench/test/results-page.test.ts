import { describe, expect, test } from 'vitest';
import { type PeerResult, mergePage, parseSections, renderSection } from '../src/results.ts';
import { renderTable } from '../src/table.ts';
import { parseDuration, parseH2load, parseH2loadLog, parseWrk, wrkCommand } from '../src/tools.ts';
import { workloadsByName } from '../src/workloads.ts';

const notes = { date: '2026-01-02', command: 'npm run bench -- plain', rounds: 3, seconds: 2, pinned: true };
const peer = (name: string, ...cpu: number[]): PeerResult => ({
  name,
  version: `${name} 1.0`,
  samples: cpu.map((each) => ({ cpu: each, perSecond: 1000, p50: 1, p99: 2, memory: 2 ** 20, errors: 0 })),
});
const [plain] = workloadsByName(['plain']);
const [latency] = workloadsByName(['latency']);
if (!plain || !latency) throw new Error('no such workload');

describe('a table', () => {
  test('lines up in a monospaced font', () => {
    const text = renderTable(
      [{ title: 'peer', align: 'left' }, { title: 'µs' }],
      [
        ['a', '1.0'],
        ['longer', '10.25'],
      ],
    );
    const lines = text.split('\n');
    expect(new Set(lines.map((line) => line.length)).size).toBe(1);
    expect(lines[1]).toBe('| :----- | ----: |');
    expect(lines[3]).toBe('| longer | 10.25 |');
  });
});

describe('a section', () => {
  test('has medians, the ratio to nginx paired by round, versions, and what is missing', () => {
    const skipped: PeerResult = { name: 'caddy', version: '', samples: [], skipped: 'Debian package caddy' };
    const text = renderSection(plain, [peer('rp', 12, 36, 12), peer('nginx', 10, 30, 10), skipped], notes);
    expect(text).toContain('## Small answers (`plain`)');
    expect(text).toMatch(/\| rp +\| +12\.0 \| +1\.20 \| +1000 \|/);
    expect(text).toContain('Versions: rp 1.0; nginx 1.0.');
    expect(text).toContain('Not measured: caddy (Debian package caddy).');
    expect(text).toContain('`npm run bench -- plain`: 3 rounds of 2 s.');
  });

  test('shows a dash where nothing was measured, never a number', () => {
    expect(renderSection(plain, [peer('rp', 12)], notes)).toMatch(/\| rp +\| +12\.0 \| +– \|/);
  });

  test('latency is given over the direct path of the same round', () => {
    const sample = (p95: number) => ({ p50: 1, p95, p99: 9, errors: 0 });
    const text = renderSection(
      latency,
      [
        { name: 'rp', version: 'rp', samples: [sample(3), sample(7)] },
        { name: 'direct', version: '', samples: [sample(2), sample(6)] },
      ],
      notes,
    );
    expect(text).toMatch(/\| rp .*\| +0\.00 \| +1\.00 \| +0\.00 \|/);
  });
});

describe('the page', () => {
  test('a run of some workloads replaces their sections only', () => {
    const first = mergePage(
      '',
      '# Results',
      new Map([
        ['hit', '## Hits\n\nold'],
        ['plain', '## Plain\n\nold'],
      ]),
    );
    const second = mergePage(first, '# Results anew', new Map([['plain', '## Plain\n\nnew']]));
    expect(parseSections(second)).toEqual(
      new Map([
        ['plain', '## Plain\n\nnew'],
        ['hit', '## Hits\n\nold'],
      ]),
    );
    expect(second.startsWith('# Results anew\n')).toBe(true);
    expect(second.match(/^# /gm)).toHaveLength(1);
  });

  test('sections stand in the order of the workloads, and merging again changes nothing', () => {
    const page = mergePage(
      '',
      '# R',
      new Map([
        ['h2', 'b'],
        ['plain', 'a'],
      ]),
    );
    expect([...parseSections(page).keys()]).toEqual(['plain', 'h2']);
    expect(mergePage(page, '# R', new Map())).toBe(page);
  });
});

describe('what the tools print', () => {
  const wrk = `Running 1s test @ http://127.0.0.1:1/
  Latency Distribution
     50%  812.00us
     75%    1.10ms
     99%    2.01s
  20000 requests in 1.00s, 4.00MB read
  Socket errors: connect 1, read 2, write 0, timeout 3
  Non-2xx or 3xx responses: 4
Requests/sec:  19876.50
`;

  test('wrk', () => {
    expect(parseWrk(wrk)).toEqual({
      requests: 20000,
      perSecond: 19876.5,
      p50: 0.812,
      p99: expect.closeTo(2010, 6),
      errors: 10,
    });
    expect(() => parseWrk('unable to connect')).toThrow('unable to connect');
  });

  test('h2load, whose percentiles come from its log', () => {
    const text = `finished in 1.00s, 84884.00 req/s, 12.30MB/s
requests: 84884 total, 85012 started, 84884 done, 84880 succeeded, 4 failed, 4 errored, 0 timeout
status codes: 84880 2xx, 0 3xx, 0 4xx, 0 5xx`;
    expect(parseH2load(text)).toMatchObject({ requests: 84880, perSecond: 84884, errors: 4 });
    expect(parseH2loadLog('1\t200\t1000\n2\t200\t3000\n3\t200\t2000\n')).toEqual({ p50: 2, p99: 3 });
  });

  test('durations', () => {
    expect([parseDuration('1.5ms'), parseDuration('2s'), parseDuration('x')]).toEqual([
      1.5,
      2000,
      Number.NaN,
    ]);
  });

  test('wrk is given the right address', () => {
    expect(wrkCommand(plain, 8080, 2, '/nowhere').at(-1)).toBe('http://127.0.0.1:8080/100');
  });
});
