import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { waitForPort } from '../process.ts';
import type { ConfigContext } from './nginx.ts';
import type { Peer } from './peer.ts';

const APP = fileURLToPath(new URL('../../../proxy/', import.meta.url));

/** The command that starts rp with a file. */
export function rpCommand(file: string): string[] {
  return [join(APP, 'bin/rp.js'), 'run', '-c', file];
}

/** Undefined when rp has been built, else what is missing. */
export function rpMissing(): string | undefined {
  return existsSync(join(APP, 'bin/rp.js')) ? undefined : 'apps/proxy/bin/rp.js: build first';
}

/** rp with one worker thread, and as much of its defaults as an equivalent configuration allows. */
export function rpConfig(context: ConfigContext): string {
  const { tls } = context;
  const secure =
    tls === undefined
      ? ''
      : `    http2: ${context.http2}\n    tls:\n      certificates: [{ cert: ${tls.cert}, key: ${tls.key} }]\n`;
  return `listeners:
  - address: 127.0.0.1
    port: ${context.port}
${secure}workers: 1
upstreams:
  app:
    algorithm: round-robin
    backends:
${context.backends.map((port) => `      - { url: "http://127.0.0.1:${port}" }`).join('\n')}
    pool: { maxConnections: 256 }
${context.cache ? 'cache: { enabled: true, maxSize: 100MB }\n' : ''}timeouts: { idle: 600s }
limits: { maxConnections: 24000 }
log: { level: warn, access: { enabled: false } }
admin: { address: 127.0.0.1, port: ${context.adminPort} }
`;
}

/** The proxy of this repository. */
export const rp: Peer = {
  name: 'rp',
  missing: rpMissing,
  supports: () => true,
  version: () => {
    const manifest = JSON.parse(readFileSync(join(APP, 'package.json'), 'utf8')) as { version: string };
    return `rp ${manifest.version} (Node ${process.versions.node})`;
  },
  async start(context) {
    const file = join(context.folder, 'rp.yaml');
    writeFileSync(file, rpConfig(context));
    const { core } = context;
    const child = context.group.start(process.execPath, rpCommand(file), { core, descriptors: 65_536 });
    await waitForPort(context.port, child);
    return { port: context.port, child, stop: () => context.group.stop(child) };
  },
};
