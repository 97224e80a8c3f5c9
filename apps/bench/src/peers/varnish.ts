import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isInstalled, versionLine, waitForPort } from '../process.ts';
import type { ConfigContext } from './nginx.ts';
import type { Peer } from './peer.ts';

/** Varnish's program: its built-in rules, two backends in turn. */
export function varnishConfig(context: ConfigContext): string {
  const backends = context.backends.map(
    (port, i) => `backend b${i} { .host = "127.0.0.1"; .port = "${port}"; }`,
  );
  return `vcl 4.1;
import directors;
${backends.join('\n')}
sub vcl_init {
  new both = directors.round_robin();
${context.backends.map((_, i) => `  both.add_backend(b${i});`).join('\n')}
}
sub vcl_recv { set req.backend_hint = both.backend(); }
`;
}

/** Varnish; in the cache workloads only, because proxying uncached is not its trade. It speaks no TLS. */
export const varnish: Peer = {
  name: 'varnish',
  missing: () => (isInstalled('varnishd') ? undefined : 'Debian package varnish'),
  supports: (needs) => needs.cache && !needs.tls && !needs.http2,
  version: () => versionLine('varnishd', '-V').replace(/^varnishd \(varnish-(\S+).*/, 'Varnish $1'),
  async start(context) {
    const file = join(context.folder, 'default.vcl');
    writeFileSync(file, varnishConfig(context));
    const address = `127.0.0.1:${context.port}`;
    const work = join(context.folder, 'work');
    const args = ['-F', '-j', 'none', '-f', file, '-a', address, '-n', work, '-s', 'malloc,100m'];
    const { core } = context;
    const child = context.group.start('varnishd', args, { core, descriptors: 65_536 });
    await waitForPort(context.port, child, 30_000);
    return { port: context.port, child, stop: () => context.group.stop(child) };
  },
};
