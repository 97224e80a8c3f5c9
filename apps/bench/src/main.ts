import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runWorkload } from './bench.ts';
import { describeMachine, toolVersions } from './machine.ts';
import { PEERS, peersByName } from './peers/index.ts';
import { canPin } from './process.ts';
import { mergePage, renderHeader, renderSection } from './results.ts';
import { WORKLOADS, workloadsByName } from './workloads.ts';

const USAGE = `usage: npm run bench -- [workload …] [--peers a,b] [--rounds 5] [--secs 3] [--out RESULTS.md]
workloads: ${WORKLOADS.map((workload) => workload.name).join(' ')}   (none: all)
peers: ${PEERS.map((peer) => peer.name).join(' ')}   (default: all)
--out: a bare file name is taken in apps/bench; only the sections measured now are replaced`;

const PACKAGE = fileURLToPath(new URL('../', import.meta.url));

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      peers: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      secs: { type: 'string', default: '3' },
      out: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) return console.log(USAGE);
  const workloads = workloadsByName(positionals);
  const peers = values.peers === undefined ? PEERS : peersByName(values.peers.split(','));
  const rounds = positive(values.rounds, '--rounds');
  const seconds = positive(values.secs, '--secs');
  const notes = {
    date: new Date().toISOString().slice(0, 10),
    command: ['npm run bench --', ...process.argv.slice(2)].join(' ').trim(),
    rounds,
    seconds,
    pinned: canPin(),
  };
  const sections = new Map<string, string>();
  for (const workload of workloads) {
    const results = await runWorkload(workload, peers, {
      rounds,
      seconds,
      log: (line) => console.error(line),
    });
    const section = renderSection(workload, results, notes);
    sections.set(workload.name, section);
    console.log(`\n${section}\n`);
    // Written after each workload: a run that is broken off keeps what it has.
    if (values.out !== undefined) publish(values.out, sections);
  }
}

function publish(out: string, sections: ReadonlyMap<string, string>): void {
  const file = out.includes('/') ? resolve(out) : resolve(PACKAGE, out);
  const existing = existsSync(file) ? readFileSync(file, 'utf8') : '';
  writeFileSync(file, mergePage(existing, renderHeader(describeMachine(), toolVersions()), sections));
}

function positive(text: string, option: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new RangeError(`${option} takes a whole number from 1, not "${text}"`);
  return value;
}

try {
  await main();
} catch (cause) {
  if (!(cause instanceof RangeError || (cause instanceof TypeError && 'code' in cause))) throw cause;
  console.error(`${cause.message}\n${USAGE}`);
  process.exitCode = 2;
}
