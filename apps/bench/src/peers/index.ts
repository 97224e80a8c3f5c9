import { caddy } from './caddy.ts';
import { haproxy } from './haproxy.ts';
import { nginx } from './nginx.ts';
import { fastify, httpProxy3, nodeUndici } from './node.ts';
import type { Peer } from './peer.ts';
import { rp } from './rp.ts';
import { varnish } from './varnish.ts';

/** No proxy at all: the load goes to the backend. What the others add is their difference from it. */
const direct: Peer = {
  name: 'direct',
  missing: () => undefined,
  supports: (needs) => !needs.cache && !needs.tls && !needs.http2,
  version: () => 'no proxy',
  start: async (context) => ({ port: context.backends[0] ?? 0, stop: async () => undefined }),
};

/** Every peer, in the order of the tables. */
export const PEERS: readonly Peer[] = [
  rp,
  nginx,
  haproxy,
  varnish,
  caddy,
  nodeUndici,
  httpProxy3,
  fastify,
  direct,
];

/** Finds peers by name. Throws for a name that is none. */
export function peersByName(names: readonly string[]): Peer[] {
  return names.map((name) => {
    const peer = PEERS.find((each) => each.name === name);
    if (!peer)
      throw new RangeError(`no peer "${name}"; there are ${PEERS.map((each) => each.name).join(', ')}`);
    return peer;
  });
}
