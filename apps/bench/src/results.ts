import type { Sample } from './measure.ts';
import { median, medianDifference, medianRatio } from './stats.ts';
import { type Column, cell, renderTable } from './table.ts';
import { type Workload, WORKLOADS } from './workloads.ts';

/** One peer's samples of one workload, one per round. */
export interface PeerResult {
  readonly name: string;
  readonly version: string;
  readonly samples: readonly Sample[];
  /** Why it was not measured, if it was not. */
  readonly skipped?: string | undefined;
}

/** How a section came about; printed above its table. */
export interface RunNotes {
  /** ISO date, without the time. */
  readonly date: string;
  readonly command: string;
  readonly rounds: number;
  readonly seconds: number;
  /** Whether the processes were pinned to their cores. */
  readonly pinned: boolean;
}

type Figure = 'cpu' | 'perSecond' | 'p50' | 'p95' | 'p99' | 'memory' | 'perConnection' | 'served' | 'lateP99';

const values = (result: PeerResult | undefined, figure: Figure): number[] =>
  (result?.samples ?? []).map((sample) => sample[figure] ?? Number.NaN);

const MIB = 1024 * 1024;
const PEER: Column = { title: 'peer', align: 'left' };
const titles = (...names: string[]): Column[] => [PEER, ...names.map((title) => ({ title }))];

/** One workload's section of the results: heading, how it was measured, table, versions. */
export function renderSection(workload: Workload, results: readonly PeerResult[], notes: RunNotes): string {
  const measured = results.filter((result) => result.samples.length > 0);
  const pinned = notes.pinned ? '' : ' Not pinned to cores.';
  const versions = measured.filter((each) => each.name !== 'direct').map((each) => each.version);
  const missing = results.filter((each) => each.skipped !== undefined);
  return [
    `## ${workload.title} (\`${workload.name}\`)`,
    workload.about,
    tableFor(workload, measured),
    `Measured on ${notes.date} with \`${notes.command}\`: ${notes.rounds} rounds of ${notes.seconds} s.${pinned}`,
    `Versions: ${versions.join('; ')}.`,
    ...missing.map((each) => `Not measured: ${each.name} (${each.skipped}).`),
  ].join('\n\n');
}

function tableFor(workload: Workload, results: readonly PeerResult[]): string {
  if (workload.kind === 'latency') return latencyTable(results);
  if (workload.kind === 'connections') return connectionsTable(results);
  return costTable(results, workload.kind === 'handshakes' ? 'connection' : 'request');
}

function costTable(results: readonly PeerResult[], unit: string): string {
  const base = values(
    results.find((each) => each.name === 'nginx'),
    'cpu',
  );
  const rows = results.map((result) => [
    result.name,
    cell(median(values(result, 'cpu'))),
    cell(medianRatio(values(result, 'cpu'), base), 2),
    cell(median(values(result, 'perSecond')), 0),
    cell(median(values(result, 'p50')), 2),
    cell(median(values(result, 'p99')), 2),
    cell(median(values(result, 'memory')) / MIB),
    String(errorsOf(result)),
  ]);
  const columns = titles(`µs/${unit}`, '× nginx', `${unit}s/s`, 'p50 ms', 'p99 ms', 'RSS MiB', 'errors');
  return renderTable(columns, rows);
}

function latencyTable(results: readonly PeerResult[]): string {
  const direct = results.find((each) => each.name === 'direct');
  const added = (result: PeerResult, figure: Figure): string =>
    direct === undefined || result === direct
      ? '–'
      : cell(medianDifference(values(result, figure), values(direct, figure)), 2);
  const rows = results.map((result) => [
    result.name,
    ...(['p50', 'p95', 'p99'] as const).map((figure) => cell(median(values(result, figure)), 2)),
    ...(['p50', 'p95', 'p99'] as const).map((figure) => added(result, figure)),
    cell(median(values(result, 'cpu'))),
    cell(median(values(result, 'lateP99')), 2),
    cell(median(values(result, 'perSecond')), 0),
    String(errorsOf(result)),
  ]);
  const columns = titles(
    'p50 ms',
    'p95 ms',
    'p99 ms',
    'added p50',
    'added p95',
    'added p99',
    'µs/request',
    'generator late p99',
    'requests/s',
    'errors',
  );
  return renderTable(columns, rows);
}

function connectionsTable(results: readonly PeerResult[]): string {
  const base = values(
    results.find((each) => each.name === 'nginx'),
    'perConnection',
  );
  const rows = results.map((result) => [
    result.name,
    cell(median(values(result, 'perConnection')) / 1024, 2),
    cell(medianRatio(values(result, 'perConnection'), base), 2),
    cell(median(values(result, 'memory')) / MIB),
    cell(median(values(result, 'served')), 0),
    String(errorsOf(result)),
  ]);
  return renderTable(titles('KiB/connection', '× nginx', 'RSS MiB', 'still served', 'errors'), rows);
}

function errorsOf(result: PeerResult): number {
  return result.samples.reduce((sum, sample) => sum + sample.errors, 0);
}

/** The page's beginning: what this is, on what machine, by what method. */
export function renderHeader(machine: string, tools: readonly string[]): string {
  return `# Results

Machine of the latest run: ${machine}. Tools: ${tools.join(', ')}.
Each section says when and how it was measured; running some workloads replaces their sections only.

**Method.** The proxy alone on one core, load and backend (an nginx that listens twice) on the other, pinned with
\`taskset\`. Every peer has one worker (thread), an equivalent configuration, keep-alive to both sides, no logs.
Before anything is measured its answers are checked: status, checksum of the body, the forwarding field at the
backend, for caches that the second answer came from the cache. After a warm-up the peers take turns, round by round.
\`µs/request\` is user and system time of all the proxy's processes divided by the requests answered: it keeps its
ratio where wall-clock figures change with the neighbours. \`× nginx\` is the median over the rounds of the ratio to
nginx *in the same round*; all other figures are medians over the rounds. With one core for load and backend, fast
proxies are limited by the load: compare costs, not requests/s. RSS is the sum over the proxy's processes (pages they
share count in each).`;
}

const marker = (name: string): string => `<!-- section: ${name} -->`;

/** Takes the sections of a results page apart, by workload name. */
export function parseSections(page: string): Map<string, string> {
  const sections = new Map<string, string>();
  const parts = page.split(/^<!-- section: ([^ ]+) -->\n/m);
  for (let i = 1; i + 1 < parts.length; i += 2) sections.set(parts[i] ?? '', (parts[i + 1] ?? '').trim());
  return sections;
}

/** The page with the sections that were measured now put in place of theirs; the others stay as they are. */
export function mergePage(existing: string, header: string, measured: ReadonlyMap<string, string>): string {
  const sections = new Map([...parseSections(existing), ...measured]);
  const order = [...WORKLOADS.map((workload) => workload.name), ...sections.keys()];
  const body = [...new Set(order)]
    .filter((name) => sections.has(name))
    .map((name) => `${marker(name)}\n${sections.get(name)}`);
  return `${[header, ...body].join('\n\n')}\n`;
}
