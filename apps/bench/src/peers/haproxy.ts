import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isInstalled, versionLine, waitForPort } from '../process.ts';
import type { ConfigContext } from './nginx.ts';
import type { Peer } from './peer.ts';

/** HAProxy with one thread, HTTP mode, backend connections shared between clients. */
export function haproxyConfig(context: ConfigContext): string {
  const { tls } = context;
  const alpn = context.http2 ? 'h2,http/1.1' : 'http/1.1';
  const secure = tls === undefined ? '' : ` ssl crt ${tls.combined} ssl-min-ver TLSv1.2 alpn ${alpn}`;
  const cache = 'cache c\n  total-max-size 64\n  max-object-size 100000\n  max-age 600\n\n';
  const use = '  http-request cache-use c\n  http-response cache-store c\n';
  return `global
  nbthread 1
  maxconn 24000
  no strict-limits

defaults
  mode http
  timeout client 600s
  timeout server 60s
  timeout connect 5s
  timeout http-keep-alive 600s
  http-reuse always

${context.cache ? cache : ''}frontend clients
  bind 127.0.0.1:${context.port}${secure}
  option forwardfor
  default_backend backends

backend backends
  balance roundrobin
${context.cache ? use : ''}${context.backends.map((port, i) => `  server s${i + 1} 127.0.0.1:${port}`).join('\n')}
`;
}

/** HAProxy. */
export const haproxy: Peer = {
  name: 'haproxy',
  missing: () => (isInstalled('haproxy') ? undefined : 'Debian package haproxy'),
  supports: () => true,
  version: () => versionLine('haproxy', '-v').replace(/^HAProxy version (\S+).*/, 'HAProxy $1'),
  async start(context) {
    const file = join(context.folder, 'haproxy.cfg');
    writeFileSync(file, haproxyConfig(context));
    const { core } = context;
    const child = context.group.start('haproxy', ['-db', '-f', file], { core, descriptors: 65_536 });
    await waitForPort(context.port, child);
    return { port: context.port, child, stop: () => context.group.stop(child) };
  },
};
