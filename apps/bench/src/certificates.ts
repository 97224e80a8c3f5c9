import { X509Certificate } from 'node:crypto';
import { copyFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Authority, type Issued } from './acceptance/authority.ts';
import { EchoBackend } from './acceptance/echo-backend.ts';
import { HandshakeLoad, handshake } from './acceptance/handshake-load.ts';
import { SecureRp, until } from './acceptance/secure-rp.ts';
import { cpuTime } from './proc.ts';
import { ProcessGroup } from './process.ts';

const USAGE = `usage: node dist/certificates.js [swaps] [start] [--swaps 100] [--certificates 10000] [--lanes 4]
swaps: files of a certificate are replaced under load, good and broken ones in turn. start: how long rp takes to
begin with many certificates. Prints JSON lines; exits 1 when a handshake fails, or the start takes over 3 s.`;

/** Milliseconds that a start may take. */
const MAX_START = 3_000;

interface Setting {
  readonly group: ProcessGroup;
  readonly authority: Authority;
  readonly backend: string;
  readonly swaps: number;
  readonly certificates: number;
  readonly lanes: number;
}

type Outcome = Readonly<Record<string, unknown>> & { readonly failed: boolean };

/** Replaces a pair of files, each in one step. */
function put(from: Issued, to: Issued): void {
  for (const kind of ['key', 'cert'] as const) {
    copyFileSync(from[kind], `${to[kind]}.new`);
    renameSync(`${to[kind]}.new`, to[kind]);
  }
}

async function swaps({ group, authority, backend, ...options }: Setting): Promise<Outcome> {
  const folder = group.folder('live');
  const live = { cert: join(folder, 'live.pem'), key: join(folder, 'live.key') };
  const good = [authority.issue('localhost'), authority.issue('localhost')];
  const garbage = join(folder, 'garbage.pem');
  writeFileSync(garbage, readFileSync(good[0]!.cert, 'utf8').replace(/[A-Za-z]{20}/, 'x'.repeat(20)));
  const empty = join(folder, 'empty.pem');
  writeFileSync(empty, '');
  const broken: readonly (readonly [code: string, Issued])[] = [
    ['TLS_KEY_MISMATCH', { cert: good[0]!.cert, key: good[1]!.key }],
    ['TLS_CERT_UNPARSABLE', { cert: garbage, key: good[0]!.key }],
    ['TLS_FILE_EMPTY', { cert: empty, key: good[0]!.key }],
  ];
  put(good[0]!, live);
  const rp = await SecureRp.start(group, { certificates: [live], backend });
  const load = new HandshakeLoad(rp.port, authority.rootPem, 'localhost', options.lanes);
  let named = 0;
  let served = 0;
  const started = performance.now();
  for (let swap = 0; swap < options.swaps; swap++) {
    if (swap % 2 === 0) {
      const [code, bad] = broken[(swap / 2) % broken.length]!;
      const seen = (): number => rp.log().filter((line) => line.code === code).length;
      const before = seen();
      put(bad, live);
      await until(`swap ${swap}: ${code} in the log`, () => seen() > before);
      named++;
    } else {
      const next = good[((swap - 1) / 2 + 1) % 2]!;
      put(next, live);
      const { serialNumber } = new X509Certificate(readFileSync(next.cert));
      await until(`swap ${swap}: the good one is served`, async () => {
        const { serial } = await handshake(rp.port, authority.rootPem, 'localhost');
        return serial === serialNumber;
      });
      served++;
    }
  }
  await load.stop();
  const seconds = (performance.now() - started) / 1000;
  await group.stop(rp.child);
  const { done, failures } = load;
  const failed = failures.length > 0 || done === 0;
  return { part: 'swaps', failed, handshakes: done, failures, named, served, seconds: Math.round(seconds) };
}

async function start({ group, authority, backend, certificates: count }: Setting): Promise<Outcome> {
  const certificates = authority.issueMany(count);
  const began = performance.now();
  const rp = await SecureRp.start(group, { certificates, backend });
  await until('a handshake', () =>
    handshake(rp.port, authority.rootPem, 'host00000.example').then(
      () => true,
      () => false,
    ),
  );
  const startMs = Math.round(performance.now() - began);
  const cpuMs = Math.round(cpuTime([rp.child.pid]) / 1000);
  const last = `host${String(count - 1).padStart(5, '0')}.example`;
  const { names } = await handshake(rp.port, authority.rootPem, last);
  const { resident } = await rp.memory();
  await group.stop(rp.child);
  const failed = startMs > MAX_START || !names.includes(last);
  return {
    part: 'start',
    failed,
    certificates: count,
    startMs,
    cpuMs,
    last: names,
    residentMiB: Math.round(resident / 2 ** 20),
  };
}

const PARTS = { swaps, start };

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      swaps: { type: 'string', default: '100' },
      certificates: { type: 'string', default: '10000' },
      lanes: { type: 'string', default: '4' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) return console.log(USAGE);
  for (const [name, run] of Object.entries(PARTS)) {
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    const group = new ProcessGroup();
    const backend = new EchoBackend();
    try {
      const outcome = await run({
        group,
        authority: new Authority(group.folder('authority')),
        backend: await backend.listen(),
        swaps: Number(values.swaps),
        certificates: Number(values.certificates),
        lanes: Number(values.lanes),
      });
      console.log(JSON.stringify(outcome));
      if (outcome.failed) process.exitCode = 1;
    } finally {
      backend.close();
      await group.close();
    }
  }
}

await main();
