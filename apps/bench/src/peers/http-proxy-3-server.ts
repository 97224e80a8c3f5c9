import { Agent, ServerResponse, createServer } from 'node:http';
import { createProxyServer } from 'http-proxy-3';
import type { NodeProxyOptions } from './node.ts';

/** http-proxy-3 as its README shows it, with a keep-alive agent (without one it is far slower) and X-Forwarded-*. */
const options = JSON.parse(process.argv[2] ?? '{}') as NodeProxyOptions;
const targets = options.backends.map((port) => `http://127.0.0.1:${port}`);
const proxy = createProxyServer({ xfwd: true, agent: new Agent({ keepAlive: true, maxSockets: 256 }) });
proxy.on('error', (_cause, _request, response) => {
  if (response instanceof ServerResponse && !response.headersSent) response.writeHead(502).end();
});
let turn = 0;
createServer({ keepAliveTimeout: 600_000, noDelay: true }, (request, response) => {
  void proxy.web(request, response, { target: targets[turn++ % targets.length] ?? '' });
}).listen(options.port, '127.0.0.1', 4096);
