import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { existsSync, readFileSync } from 'node:fs';
import { programPath, waitForPort } from '../process.ts';
import type { Peer, PeerContext, RunningPeer } from './peer.ts';

/** What a proxy program of this folder gets as its argument. */
export interface NodeProxyOptions {
  readonly port: number;
  readonly backends: readonly number[];
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
}

/** The version of an npm package, read from its manifest (which `exports` often hides). */
function packageVersion(name: string): string {
  let folder = dirname(createRequire(import.meta.url).resolve(name));
  for (;;) {
    const file = join(folder, 'package.json');
    if (existsSync(file)) {
      const manifest = JSON.parse(readFileSync(file, 'utf8')) as { name?: string; version?: string };
      if (manifest.name === name) return manifest.version ?? 'unknown';
    }
    const parent = dirname(folder);
    if (parent === folder) return 'unknown';
    folder = parent;
  }
}

async function startProgram(name: string, context: PeerContext): Promise<RunningPeer> {
  const options: NodeProxyOptions = { port: context.port, backends: context.backends, tls: context.tls };
  const { core } = context;
  const child = context.group.startNode(programPath(import.meta.url, name), options, {
    core,
    descriptors: 65_536,
  });
  await waitForPort(context.port, child);
  return { port: context.port, child, stop: () => context.group.stop(child) };
}

function nodePeer(name: string, program: string, packages: readonly string[], tls: boolean): Peer {
  return {
    name,
    missing: () => undefined,
    supports: (needs) => !needs.cache && !needs.http2 && (tls || !needs.tls),
    version: () =>
      `${packages.map((each) => `${each} ${packageVersion(each)}`).join(', ')} (Node ${process.versions.node})`,
    start: (context) => startProgram(program, context),
  };
}

/** `node:http` server with undici's client: what one would write by hand on Node's standard parts. */
export const nodeUndici: Peer = nodePeer('node-undici', './node-undici-server', ['undici'], true);
/** http-proxy-3. */
export const httpProxy3: Peer = nodePeer('http-proxy-3', './http-proxy-3-server', ['http-proxy-3'], false);
/** `@fastify/http-proxy`. */
export const fastify: Peer = nodePeer(
  'fastify',
  './fastify-server',
  ['@fastify/http-proxy', 'fastify'],
  false,
);
