import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import type { CertificateFiles } from './peers/peer.ts';
import { versionLine } from './process.ts';

/** The machine in one line: processor, cores, memory, kernel. */
export function describeMachine(): string {
  const list = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${list[0]?.model.trim() ?? 'unknown processor'}, ${list.length} cores, ${memory} GiB, Linux ${release()}`;
}

/** The tools that load and check, with their versions. */
export function toolVersions(): string[] {
  return [
    versionLine('wrk', '-v').split(' [')[0] ?? 'wrk',
    versionLine('h2load', '--version'),
    `Node ${process.versions.node}`,
    versionLine('openssl', 'version').split(' (')[0] ?? 'openssl',
  ];
}

/** Makes a self-signed ECDSA P-256 certificate for localhost and 127.0.0.1, valid for 30 days. */
export function makeCertificate(folder: string): CertificateFiles {
  const files = {
    cert: join(folder, 'cert.pem'),
    key: join(folder, 'key.pem'),
    combined: join(folder, 'both.pem'),
  };
  const kind = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const out = ['-keyout', files.key, '-out', files.cert, '-days', '30'];
  execFileSync('openssl', [...kind, ...out, ...names], { stdio: 'ignore' });
  writeFileSync(files.combined, readFileSync(files.cert, 'utf8') + readFileSync(files.key, 'utf8'), {
    mode: 0o600,
  });
  return files;
}
