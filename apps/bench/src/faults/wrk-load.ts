import { spawn } from 'node:child_process';
import type { LoadReport } from '../load.ts';
import { locate } from '../process.ts';
import { parseWrk } from '../tools.ts';

const NOTHING: LoadReport = {
  ok: 0,
  badStatus: {},
  failures: {},
  errors: 0,
  seconds: 0,
  perSecond: 0,
  p50: Number.NaN,
  p95: Number.NaN,
  p99: Number.NaN,
  max: 0,
  oldest: 0,
  lateP99: 0,
};

/** wrk in place of our own load. It tells everything at its end, and nothing in between. */
export class WrkLoad {
  readonly #ended: Promise<string>;

  constructor(port: number, connections: number, seconds: number) {
    const options = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '15s', '--latency'];
    const child = spawn(locate('wrk') ?? 'wrk', [...options, `http://127.0.0.1:${port}/100`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
    this.#ended = new Promise((resolve, reject) => {
      child.once('error', reject).once('close', () => resolve(text));
    });
  }

  async start(): Promise<void> {
    // It has started; a failure to do so is told by `stop`.
  }

  take(): LoadReport {
    return NOTHING;
  }

  async stop(): Promise<LoadReport> {
    const text = await this.#ended;
    const { requests, perSecond, p50, p99, errors } = parseWrk(text);
    const failures = errors === 0 ? {} : { closedBeforeResponse: errors };
    return { ...NOTHING, ok: requests - errors, errors, failures, perSecond, p50, p99 };
  }
}
