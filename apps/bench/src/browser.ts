import { X509Certificate, createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Authority } from './acceptance/authority.ts';
import { Chromium } from './acceptance/chromium.ts';
import { EchoBackend, type Answers } from './acceptance/echo-backend.ts';
import { SecureRp } from './acceptance/secure-rp.ts';
import { ProcessGroup, isInstalled } from './process.ts';

const USAGE = `usage: node dist/browser.js [--resources 100]
A headless Chromium against rp: a page with many resources over one HTTP/2 connection, WebSocket over HTTP/2 and
HTTP/1.1, uploads whose body is a stream. Needs the Debian package chromium. Prints JSON lines; exits 1 when any failed.`;

/** Octets of what the page uploads as a stream, piece by piece. */
const PIECE = 65_536;
const PIECES = 32;

function answersFor(resources: number): Answers {
  const images = Array.from({ length: resources }, (_, i) => `<img src="/image?${i}" alt="">`).join('');
  return {
    '/page': (_request, response) => {
      response.setHeader('content-type', 'text/html');
      response.end(`<!doctype html><title>page</title><link rel="icon" href="data:,">${images}`);
    },
    '/image': (request, response) => {
      response.setHeader('content-type', 'image/svg+xml');
      response.setHeader('cache-control', 'no-store');
      response.end(`<svg xmlns="http://www.w3.org/2000/svg"><!-- ${request.url} --></svg>`);
    },
    '/upload': (request, response) => {
      let octets = 0;
      request.on('data', (chunk: Buffer) => (octets += chunk.length));
      request.on('end', () => response.end(`${octets} ${request.headers['transfer-encoding'] ?? 'length'}`));
    },
    '/empty': (_request, response) => {
      response.setHeader('content-type', 'text/html');
      response.end('<!doctype html><title>empty</title><link rel="icon" href="data:,">');
    },
  };
}

type Outcome = Readonly<Record<string, unknown>> & { readonly failed: boolean };

interface Received {
  readonly response: {
    readonly url: string;
    readonly status: number;
    readonly protocol: string;
    readonly connectionId: number;
  };
}

/** Everything of a page comes over one connection of HTTP/2. */
async function page(browser: Chromium, origin: string, resources: number): Promise<Outcome> {
  const began = performance.now();
  await browser.open(`${origin}/page`);
  const loadMs = Math.round(performance.now() - began);
  const received = browser.events
    .filter(({ method }) => method === 'Network.responseReceived')
    .map(({ params }) => (params as unknown as Received).response)
    .filter(({ url }) => url.startsWith(origin));
  const protocols = [...new Set(received.map(({ protocol }) => protocol))];
  const connections = new Set(received.map(({ connectionId }) => connectionId)).size;
  const bad = received.filter(({ status }) => status !== 200).length;
  const failed =
    received.length !== resources + 1 || bad > 0 || protocols.join() !== 'h2' || connections !== 1;
  return { part: 'page', failed, resources: received.length, protocols, connections, bad, loadMs };
}

/** Messages of all kinds of lengths are echoed, and the close code comes back. */
const SOCKET = (url: string): string => `new Promise((resolve, reject) => {
  const socket = new WebSocket(${JSON.stringify(url)});
  const sizes = [1, 125, 126, 1000, 60000];
  const got = [];
  socket.onerror = () => reject(new Error('error'));
  socket.onopen = () => { for (const size of sizes) socket.send('x'.repeat(size)); };
  socket.onmessage = ({ data }) => { got.push(data.length); if (got.length === sizes.length) socket.close(4001, 'enough'); };
  socket.onclose = ({ code }) => resolve(got.join() === sizes.join() ? code : got.join());
})`;

async function webSocket(browser: Chromium, name: string, origin: string, url: string): Promise<Outcome> {
  await browser.open(`${origin}/empty`);
  const code = await browser.evaluate(SOCKET(url));
  const response = browser.events.find(
    ({ method }) => method === 'Network.webSocketHandshakeResponseReceived',
  );
  const { status } = (response?.params?.response ?? {}) as { status?: number };
  return { part: `WebSocket over ${name}`, failed: code !== 4001, closeCode: code, status };
}

/** A body that is made while it is sent: only HTTP/2 can carry it from a browser. */
const UPLOAD = `(async () => {
  let left = ${PIECES};
  const body = new ReadableStream({
    async pull(controller) {
      if (left-- === 0) return controller.close();
      await new Promise((resolve) => setTimeout(resolve, 5));
      controller.enqueue(new Uint8Array(${PIECE}));
    },
  });
  return (await fetch('/upload', { method: 'POST', body, duplex: 'half' })).text();
})()`;

async function upload(browser: Chromium, origin: string): Promise<Outcome> {
  await browser.open(`${origin}/empty`);
  const answer = await browser.evaluate(UPLOAD);
  return { part: 'streamed upload', failed: answer !== `${PIECE * PIECES} chunked`, answer };
}

/** SHA-256 of the public key, as Chromium wants it named. */
function keyHash(certificate: string): string {
  const key = new X509Certificate(readFileSync(certificate)).publicKey.export({
    type: 'spki',
    format: 'der',
  });
  return createHash('sha256').update(key).digest('base64');
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { resources: { type: 'string', default: '100' }, help: { type: 'boolean' } },
  });
  if (values.help === true) return console.log(USAGE);
  if (!isInstalled('chromium')) {
    console.log(JSON.stringify({ failed: true, why: 'chromium is not installed' }));
    process.exitCode = 1;
    return;
  }
  const resources = Number(values.resources);
  const group = new ProcessGroup();
  const backend = new EchoBackend(answersFor(resources));
  try {
    const certificate = new Authority(group.folder('authority')).issue('localhost');
    const rp = await SecureRp.start(group, { certificates: [certificate], backend: await backend.listen() });
    const browser = await Chromium.start(group, keyHash(certificate.cert));
    const secure = `https://localhost:${rp.port}`;
    const clear = `http://localhost:${rp.clearPort}`;
    const outcomes = [
      await page(browser, secure, resources),
      await webSocket(browser, 'HTTP/2', secure, `wss://localhost:${rp.port}/socket`),
      await webSocket(browser, 'HTTP/1.1', clear, `ws://localhost:${rp.clearPort}/socket`),
      await upload(browser, secure),
    ];
    const { requests } = await rp.stats();
    const { product } = await browser.command('Browser.getVersion');
    console.log(JSON.stringify({ browser: product, tunnels: requests?.tunnels }));
    for (const outcome of outcomes) console.log(JSON.stringify(outcome));
    if (outcomes.some(({ failed }) => failed)) process.exitCode = 1;
    await browser.close();
  } finally {
    backend.close();
    await group.close();
  }
}

await main();
