import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Child, ProcessGroup } from '../process.ts';
import { until } from './secure-rp.ts';

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--no-default-browser-check',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-default-apps',
  '--metrics-recording-only',
  '--remote-debugging-port=0',
];

/** A message of the DevTools protocol. */
export interface ProtocolMessage {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly message: string };
}

/** A headless Chromium with one page, driven by the DevTools protocol over the WebSocket that Node has built in. */
export class Chromium {
  readonly #group: ProcessGroup;
  readonly #child: Child;
  readonly #socket: WebSocket;
  readonly #pending: Map<
    number,
    { resolve: (value: ProtocolMessage) => void; reject: (error: Error) => void }
  > = new Map();
  /** Everything that the page reported of itself. */
  readonly events: ProtocolMessage[] = [];
  #lastId = 0;

  private constructor(group: ProcessGroup, child: Child, socket: WebSocket) {
    this.#group = group;
    this.#child = child;
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) =>
      this.#received(JSON.parse(String(data)) as ProtocolMessage),
    );
  }

  /** @param trusted hash of the public key whose certificates are believed without an authority: `--ignore-certificate-errors-spki-list` */
  static async start(group: ProcessGroup, trusted: string): Promise<Chromium> {
    const profile = group.folder('chromium');
    const own = [`--user-data-dir=${profile}`, `--ignore-certificate-errors-spki-list=${trusted}`];
    const child = group.start('chromium', [...FLAGS, ...own, 'about:blank'], { env: { HOME: profile } });
    const portFile = join(profile, 'DevToolsActivePort');
    let port = '';
    await until(
      'chromium listens',
      () => {
        port = contentOf(portFile).split('\n')[0] ?? '';
        return port !== '';
      },
      60_000,
    );
    const pages = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as {
      type: string;
      webSocketDebuggerUrl: string;
    }[];
    const page = pages.find(({ type }) => type === 'page');
    if (page === undefined) throw new Error('chromium has no page');
    const socket = new WebSocket(page.webSocketDebuggerUrl);
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve);
      socket.addEventListener('error', () => reject(new Error('no connection to chromium')));
    });
    return new Chromium(group, child, socket);
  }

  /** One command of the protocol, and what it answers. */
  async command(
    method: string,
    params: Readonly<Record<string, unknown>> = {},
  ): Promise<Readonly<Record<string, unknown>>> {
    const id = ++this.#lastId;
    const answer = new Promise<ProtocolMessage>((resolve, reject) =>
      this.#pending.set(id, { resolve, reject }),
    );
    this.#socket.send(JSON.stringify({ id, method, params }));
    return (await answer).result ?? {};
  }

  /** What an expression of the page comes to; promises are waited for. Rejects where it throws. */
  async evaluate(expression: string): Promise<unknown> {
    const { result, exceptionDetails } = await this.command('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails).slice(0, 500));
    return (result as { value?: unknown } | undefined)?.value;
  }

  /** Opens a page, and waits until all that it needs has come. */
  async open(url: string): Promise<void> {
    await this.command('Page.enable');
    await this.command('Network.enable');
    this.events.length = 0;
    const { errorText } = await this.command('Page.navigate', { url });
    if (errorText !== undefined) throw new Error(`${url}: ${String(errorText)}`);
    await until(
      `${url} is loaded`,
      () => this.events.some(({ method }) => method === 'Page.loadEventFired'),
      30_000,
    );
  }

  async close(): Promise<void> {
    this.#socket.close();
    await this.#group.stop(this.#child);
  }

  #received(message: ProtocolMessage): void {
    if (message.id === undefined) return void this.events.push(message);
    const waiting = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    if (message.error === undefined) waiting?.resolve(message);
    else waiting?.reject(new Error(message.error.message));
  }
}

function contentOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
}
