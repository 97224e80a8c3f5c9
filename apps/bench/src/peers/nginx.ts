import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempPaths } from '../backend.ts';
import { isInstalled, versionLine, waitForPort } from '../process.ts';
import type { Peer, PeerContext } from './peer.ts';

/** What of the context the configuration is written from. */
export type ConfigContext = Pick<
  PeerContext,
  'folder' | 'port' | 'adminPort' | 'backends' | 'tls' | 'http2' | 'cache'
>;

/** nginx with one worker; ordinary proxying advice: upstream keep-alive, HTTP/1.1, its own buffers. */
export function nginxConfig(context: ConfigContext): string {
  const { folder, tls } = context;
  const flags = tls === undefined ? '' : context.http2 ? ' ssl http2' : ' ssl';
  return `worker_processes 1;
daemon off;
pid ${folder}/nginx.pid;
error_log stderr crit;
worker_rlimit_nofile 65536;
events { worker_connections 32000; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  client_max_body_size 0;
  ${tempPaths(folder)}
${context.cache ? `  proxy_cache_path ${folder}/cache keys_zone=c:50m max_size=500m;\n` : ''}  upstream backends {
${context.backends.map((port) => `    server 127.0.0.1:${port};`).join('\n')}
    keepalive 256;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${context.port}${flags};
${tls === undefined ? '' : `    ssl_certificate ${tls.cert};\n    ssl_certificate_key ${tls.key};\n    ssl_protocols TLSv1.2 TLSv1.3;\n`}    location / {
      proxy_pass http://backends;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
${context.cache ? '      proxy_cache c;\n' : ''}    }
  }
}
`;
}

/** nginx, the yardstick: every ratio is to it. */
export const nginx: Peer = {
  name: 'nginx',
  missing: () => (isInstalled('nginx') ? undefined : 'Debian package nginx'),
  supports: () => true,
  version: () => versionLine('nginx', '-v').replace('nginx version: nginx/', 'nginx '),
  async start(context) {
    mkdirSync(join(context.folder, 'cache'));
    chmodSync(join(context.folder, 'cache'), 0o777);
    const file = join(context.folder, 'nginx.conf');
    writeFileSync(file, nginxConfig(context));
    const { core } = context;
    const child = context.group.start('nginx', ['-e', 'stderr', '-c', file], { core, descriptors: 65_536 });
    await waitForPort(context.port, child);
    return { port: context.port, child, stop: () => context.group.stop(child) };
  },
};
