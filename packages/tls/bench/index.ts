import { execFileSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Certificate,
  CertificateStore,
  HandshakeCounters,
  HandshakeLimiter,
  TicketKeys,
  fieldText,
  httpsRedirect,
  loadCertificate,
  loadCertificates,
  normalizeServerName,
  storeFromMessage,
  storeToMessage,
} from '../src/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'rp-tls-bench-'));
const print = (line: string): unknown => process.stdout.write(`${line}\n`);

function measure(label: string, times: number, run: (round: number) => unknown): void {
  for (let i = 0; i < Math.min(times, 1000); i += 1) run(i);
  const begin = process.hrtime.bigint();
  for (let i = 0; i < times; i += 1) run(i);
  const ns = Number(process.hrtime.bigint() - begin) / times;
  print(`${label.padEnd(46)} ${ns.toFixed(ns < 100 ? 1 : 0).padStart(12)} ns/op`);
}

function once<T>(label: string, run: () => T): T {
  const begin = process.hrtime.bigint();
  const before = process.cpuUsage();
  const result = run();
  const { user, system } = process.cpuUsage(before);
  const wall = (Number(process.hrtime.bigint() - begin) / 1e6).toFixed(1);
  print(
    `${label.padEnd(46)} ${wall.padStart(12)} ms (${((user + system) / 1000).toFixed(1)} ms of processor time)`,
  );
  return result;
}

const EC: readonly string[] = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];

function request(id: string, kind: readonly string[], more: readonly string[]): void {
  const output = ['-keyout', join(folder, `${id}.key`), '-out', join(folder, `${id}.pem`)];
  execFileSync(
    'openssl',
    ['req', '-x509', '-nodes', '-days', '90', '-subj', `/CN=${id}`, '-newkey', ...kind, ...output, ...more],
    {
      stdio: 'ignore',
    },
  );
}

/** A leaf with its issuer in one text, so that the bench pays for checking a chain. */
function makeCertificate(id: string, kind: readonly string[]): { cert: string; key: string } {
  const ca = ['-CA', join(folder, 'ca.pem'), '-CAkey', join(folder, 'ca.key')];
  request(id, kind, [
    ...ca,
    '-addext',
    `subjectAltName=DNS:${id}.example`,
    '-addext',
    'basicConstraints=CA:FALSE',
  ]);
  const text = (name: string): string => readFileSync(join(folder, name), 'utf8');
  return { cert: text(`${id}.pem`) + text('ca.pem'), key: text(`${id}.key`) };
}

try {
  request('ca', EC, []);
  const ec = makeCertificate('ec', EC);
  const rsa = makeCertificate('rsa', ['rsa:2048']);
  const count = 10_000;
  // The same two pairs in 10,000 files: reading and parsing cost what different ones would.
  const texts = [ec, rsa];
  const sources = Array.from({ length: count }, (_, index) => {
    const source = { cert: join(folder, `${index}.pem`), key: join(folder, `${index}.key`) };
    const text = texts[index % 2] ?? ec;
    writeFileSync(source.cert, text.cert, { mode: 0o600 });
    writeFileSync(source.key, text.key, { mode: 0o600 });
    return source;
  });
  const loaded = once('load and check 10,000 certificates (files)', () => loadCertificates(sources));
  if (loaded.certificates.length !== count) throw new Error('not all certificates were loaded');
  const named = loaded.certificates.map(
    (one, index) =>
      new Certificate({ ...one.info, names: [`host${index}.example`, `*.zone${index}.example`] }, () =>
        one.material(),
      ),
  );
  const store = once('index 20,000 names', () => new CertificateStore(named));
  const message = once('pack the store for workers', () => storeToMessage(store, { version: 1 }));
  const copy = once('unpack it in a worker', () => storeFromMessage(message));
  const now = Date.now();
  const small = new CertificateStore(named.slice(0, 10));
  measure('select, exact, 10 certificates', 1e6, (i) => small.select(`host${i % 10}.example`, now));
  const exact = Array.from({ length: count }, (_, i) => `host${i}.example`);
  const wild = Array.from({ length: count }, (_, i) => `www.zone${i}.example`);
  measure('select, exact, 10,000 certificates', 1e6, (i) => copy.select(exact[i % count], now));
  measure('select, wildcard, 10,000 certificates', 1e6, (i) => copy.select(wild[i % count], now));
  measure('select, unknown, 10,000 certificates', 1e6, () => copy.select('nowhere.test', now));
  measure('normalizeServerName', 1e6, () => normalizeServerName('WWW.Example.com'));
  let fresh = 1000;
  measure('secureContext, first use', 500, () => named[(fresh += 1)]?.secureContext());
  measure('secureContext, kept', 1e6, (i) => named[i % 500]?.secureContext());
  measure('loadCertificate, inline ECDSA', 2000, () => loadCertificate(ec));
  measure('loadCertificate, inline RSA', 2000, () => loadCertificate(rsa));
  const counters = new HandshakeCounters();
  measure('HandshakeCounters.completed', 1e6, () =>
    counters.completed('TLSv1.3', 'TLS_AES_128_GCM_SHA256', true, false),
  );
  let tick = 0;
  const limiter = new HandshakeLimiter({ rate: 1000, now: () => (tick += 1) });
  measure('HandshakeLimiter.tryTake', 1e6, () => limiter.tryTake());
  const keys = new TicketKeys({ randomFill: randomFillSync, now: () => 0 }).set;
  const name = keys.key(0).subarray(0, 16);
  measure('TicketKeySet.indexOf', 1e6, () => keys.indexOf(name));
  measure('httpsRedirect', 1e6, () => httpsRedirect('example.com:80', '/path?query'));
  measure('fieldText', 1e6, () => fieldText('CN=alice\nO=Example'));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
