import httpProxy from '@fastify/http-proxy';
import { fastify } from 'fastify';
import type { NodeProxyOptions } from './node.ts';

/** `@fastify/http-proxy` with its undici client and X-Forwarded-For, which it leaves to the user. */
const options = JSON.parse(process.argv[2] ?? '{}') as NodeProxyOptions;
const targets = options.backends.map((port) => `http://127.0.0.1:${port}`);
const server = fastify({ keepAliveTimeout: 600_000, bodyLimit: 2 ** 31 });
let turn = 0;
await server.register(httpProxy, {
  upstream: '',
  undici: { connections: 256, pipelining: 1 },
  replyOptions: {
    getUpstream: () => targets[turn++ % targets.length] ?? '',
    rewriteRequestHeaders: (request, headers) => ({ ...headers, 'x-forwarded-for': request.ip }),
  },
});
await server.listen({ port: options.port, host: '127.0.0.1', backlog: 4096 });
