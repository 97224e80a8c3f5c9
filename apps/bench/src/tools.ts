import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Workload } from './workloads.ts';

/** What a load tool reports of one run. */
export interface ToolReport {
  readonly requests: number;
  readonly perSecond: number;
  /** Milliseconds; NaN where the tool does not say. */
  readonly p50: number;
  readonly p99: number;
  /** Answers that were not 2xx or 3xx, and socket errors. */
  readonly errors: number;
}

/** A duration as wrk and h2load print it ("812.00us", "1.20ms", "2.01s"), in milliseconds. */
export function parseDuration(text: string): number {
  const found = /^([\d.]+)(us|ms|s|m|h)$/.exec(text.trim());
  if (!found) return Number.NaN;
  const unit = { us: 0.001, ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[found[2] ?? 'ms'] ?? 1;
  return Number(found[1]) * unit;
}

/** Reads what `wrk --latency` prints. Throws when it is not that. */
export function parseWrk(output: string): ToolReport {
  const requests = /(\d+) requests in/.exec(output);
  const perSecond = /Requests\/sec:\s+([\d.]+)/.exec(output);
  if (!requests || !perSecond) throw new Error(`wrk said:\n${output}`);
  const socketErrors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(output);
  const errors = (socketErrors?.slice(1) ?? []).reduce((sum, count) => sum + Number(count), 0);
  return {
    requests: Number(requests[1]),
    perSecond: Number(perSecond[1]),
    p50: parseDuration(/50%\s+(\S+)/.exec(output)?.[1] ?? ''),
    p99: parseDuration(/99%\s+(\S+)/.exec(output)?.[1] ?? ''),
    errors: errors + Number(/Non-2xx or 3xx responses: (\d+)/.exec(output)?.[1] ?? 0),
  };
}

/** Reads what `h2load` prints. Its text has no percentiles: those come from its log (see {@link parseH2loadLog}). */
export function parseH2load(output: string): ToolReport {
  const finished = /finished in [^,]+, ([\d.]+) req\/s/.exec(output);
  const codes = /status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx/.exec(output);
  const failed = /requests: .*?(\d+) failed/.exec(output);
  if (!finished || !codes) throw new Error(`h2load said:\n${output}`);
  const good = Number(codes[1]) + Number(codes[2]);
  const errors = Number(codes[3]) + Number(codes[4]) + Number(failed?.[1] ?? 0);
  return { requests: good, perSecond: Number(finished[1]), p50: Number.NaN, p99: Number.NaN, errors };
}

/** Percentiles in milliseconds from h2load's `--log-file`: start, status and duration in µs per request. */
export function parseH2loadLog(log: string): { p50: number; p99: number } {
  const durations: number[] = [];
  for (const line of log.split('\n')) {
    const columns = line.split('\t');
    if (columns.length >= 3) durations.push(Number(columns[2]) / 1000);
  }
  durations.sort((a, b) => a - b);
  const at = (percent: number): number =>
    durations[Math.min(durations.length - 1, Math.ceil((percent / 100) * durations.length) - 1)] ??
    Number.NaN;
  return { p50: at(50), p99: at(99) };
}

/** The command line of wrk for a workload; request fields go into a Lua file in `folder`. */
export function wrkCommand(workload: Workload, port: number, seconds: number, folder: string): string[] {
  const line = ['wrk', '-t1', '-c64', `-d${seconds}s`, '--timeout', '10s', '--latency'];
  if (workload.fields.length > 0) {
    const script = join(folder, `${workload.name}.lua`);
    const fields = workload.fields.map((field) => {
      const colon = field.indexOf(':');
      return `wrk.headers[${JSON.stringify(field.slice(0, colon))}]=${JSON.stringify(field.slice(colon + 2))}`;
    });
    writeFileSync(script, `${fields.join('\n')}\n`);
    line.push('-s', script);
  }
  return [...line, `${workload.tls ? 'https' : 'http'}://127.0.0.1:${port}${workload.path}`];
}

/** The command line of h2load: 16 connections of 8 streams, for a time. */
export function h2loadCommand(workload: Workload, port: number, seconds: number, log: string): string[] {
  const url = `https://127.0.0.1:${port}${workload.path}`;
  return ['h2load', '-t1', '-c16', '-m8', '-D', String(seconds), `--log-file=${log}`, url];
}
