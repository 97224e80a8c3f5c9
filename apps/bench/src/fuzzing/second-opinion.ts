import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { tempPaths } from '../backend.ts';
import { freePort, isInstalled, waitForPort, type ProcessGroup } from '../process.ts';

/** What a proxy sent on one connection to a backend: whole requests, and nothing else. */
export interface ForwardedStream {
  readonly bytes: Buffer;
  /** How many requests the backend took it for. */
  readonly requests: number;
}

/** Streams asked about per round: the rest of them is asked about in other rounds. */
const ASKED = 60;
/** Milliseconds that a server gets for a stream; one that waits for more takes it for something else. */
const PATIENCE = 1500;

/**
 * Servers that are asked how many requests there are in what the proxy forwarded. That another one sees other requests
 * than our backend is how requests are smuggled (RFC 9112 §11.2); that it refuses one is its right.
 */
export class SecondOpinion {
  readonly #node: Server;
  readonly #ports: (readonly [name: string, port: number])[] = [];

  constructor() {
    this.#node = createServer({ maxHeaderSize: 131_072 }, (request, response) => {
      request.resume();
      request.on('end', () => response.end('ok'));
    });
  }

  /** Node's own server, and nginx where it is installed. */
  async start(group: ProcessGroup): Promise<void> {
    await new Promise<void>((resolve) => this.#node.listen(0, '127.0.0.1', resolve));
    const address = this.#node.address();
    if (address === null || typeof address === 'string') throw new Error('the OS gave no port');
    this.#ports.push(['node:http', address.port]);
    if (isInstalled('nginx')) this.#ports.push(['nginx', await startNginx(group)]);
  }

  /** What is wrong with these streams, if anything is. */
  async judge(streams: readonly ForwardedStream[]): Promise<string[]> {
    const problems: string[] = [];
    for (const stream of streams.slice(-ASKED)) {
      for (const [name, port] of this.#ports) {
        const problem = disagreement(stream.requests, await statusesFor(port, stream));
        if (problem !== undefined) problems.push(`${name} ${problem}: ${stream.bytes.toString('base64')}`);
      }
    }
    return problems;
  }

  close(): void {
    this.#node.closeAllConnections();
    this.#node.close();
  }
}

/** How a server's answers contradict that there were so many requests; undefined if they do not. */
export function disagreement(requests: number, statuses: readonly number[]): string | undefined {
  if (statuses.length > requests) return `sees ${statuses.length} requests in place of ${requests}`;
  if (statuses.length === requests || (statuses.at(-1) ?? 0) >= 400) return undefined;
  return `sees ${statuses.length} requests in place of ${requests}, and waits for more`;
}

/** Final statuses in what a server wrote. */
export function finalStatuses(text: string): number[] {
  return Array.from(text.matchAll(/HTTP\/1\.1 (\d{3}) /g), ([, status]) => Number(status)).filter(
    (status) => status >= 200,
  );
}

function statusesFor(port: number, { bytes, requests }: ForwardedStream): Promise<number[]> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    const timer = setTimeout(() => socket.destroy(), PATIENCE);
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      // One more turn for an answer too many.
      if (finalStatuses(text).length >= requests) setTimeout(() => socket.destroy(), 10);
    });
    // A reset after a refusal is a refusal.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(finalStatuses(text));
    });
    socket.write(bytes);
  });
}

async function startNginx(group: ProcessGroup): Promise<number> {
  const folder = group.folder('opinion');
  const port = await freePort();
  const file = join(folder, 'nginx.conf');
  writeFileSync(
    file,
    `worker_processes 1;
daemon off;
pid ${folder}/nginx.pid;
error_log stderr crit;
events { worker_connections 1000; }
http {
  access_log off;
  keepalive_requests 1000000;
  large_client_header_buffers 8 128k;
  client_max_body_size 0;
  ${tempPaths(folder)}
  server { listen 127.0.0.1:${port}; location / { return 200 "ok"; } }
}
`,
  );
  await waitForPort(port, group.start('nginx', ['-e', 'stderr', '-c', file]));
  return port;
}
