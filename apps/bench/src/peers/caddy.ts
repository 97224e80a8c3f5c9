import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isInstalled, versionLine, waitForPort } from '../process.ts';
import type { ConfigContext } from './nginx.ts';
import type { Peer } from './peer.ts';

/** Caddy's file; without admin listener, certificate automation or logs. */
export function caddyConfig(context: ConfigContext): string {
  const { tls } = context;
  const protocols = context.http2 ? 'h1 h2' : 'h1';
  return `{
	admin off
	auto_https off
	storage file_system {
		root ${context.folder}/storage
	}
	log {
		output discard
	}
	servers {
		protocols ${protocols}
		timeouts {
			idle 600s
		}
	}
}
${tls === undefined ? 'http://' : 'https://'}:${context.port} {
	bind 127.0.0.1
${tls === undefined ? '' : `	tls ${tls.cert} ${tls.key}\n`}	reverse_proxy ${context.backends.map((port) => `127.0.0.1:${port}`).join(' ')} {
		lb_policy round_robin
		transport http {
			keepalive 600s
			keepalive_idle_conns_per_host 256
		}
	}
}
`;
}

/** Caddy (Go), held to one core by GOMAXPROCS. It has no cache of its own. */
export const caddy: Peer = {
  name: 'caddy',
  missing: () => (isInstalled('caddy') ? undefined : 'Debian package caddy'),
  supports: (needs) => !needs.cache,
  version: () => `Caddy ${versionLine('caddy', 'version').replace(/^v/, '').split(' ')[0]}`,
  async start(context) {
    const file = join(context.folder, 'Caddyfile');
    writeFileSync(file, caddyConfig(context));
    const { core } = context;
    const child = context.group.start('caddy', ['run', '--config', file, '--adapter', 'caddyfile'], {
      core,
      descriptors: 65_536,
      env: { GOMAXPROCS: '1', HOME: context.folder },
    });
    await waitForPort(context.port, child);
    return { port: context.port, child, stop: () => context.group.stop(child) };
  },
};
