import { type ConnectionOwner, LoadConnection, type RequestBytes } from './load-connection.ts';
import type { ResponseHead } from './response-reader.ts';

/** Connections to open and keep. */
export interface HoldOptions {
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  readonly request: RequestBytes;
  /** How many are connecting or waiting for an answer at once. Default 100. */
  readonly concurrency?: number;
  /** Own addresses, used in turn: one address has about 28,000 ports. */
  readonly localAddresses: readonly string[];
}

/** Opens many keep-alive connections, keeps them idle, and asks on each of them again. */
export class HeldConnections implements ConnectionOwner {
  readonly #options: HoldOptions;
  readonly #connections: LoadConnection[] = [];
  #next = 0;
  #underWay = 0;
  #served = 0;
  #failed = 0;
  #opening = true;
  #done: (() => void) | undefined;

  constructor(options: HoldOptions) {
    this.#options = options;
    for (let i = 0; i < options.connections; i++) {
      const localAddress = options.localAddresses[i % options.localAddresses.length];
      this.#connections.push(
        new LoadConnection({ host: options.host, port: options.port, localAddress }, this),
      );
    }
  }

  /** Connects them all and has one request answered on each. Returns how many answers were right. */
  open(): Promise<number> {
    this.#opening = true;
    return this.#pass();
  }

  /** One more request on each connection. Returns how many answers were right. */
  askAgain(): Promise<number> {
    this.#opening = false;
    return this.#pass();
  }

  /** Closes them. */
  close(): void {
    for (const connection of this.#connections) connection.destroy();
  }

  onReady(connection: LoadConnection): void {
    if (this.#opening && !this.#answeredOnce.has(connection)) this.#send(connection);
  }

  onResponse(connection: LoadConnection, head: ResponseHead): void {
    this.#answeredOnce.add(connection);
    if (head.status === 200) this.#served++;
    else this.#failed++;
    this.#settle();
  }

  onFailure(): void {
    this.#failed++;
    this.#settle();
  }

  onClosed(): void {
    // Idle and closed by the peer: noticed when it is asked again, because then it is not open.
  }

  readonly #answeredOnce = new Set<LoadConnection>();

  #pass(): Promise<number> {
    this.#next = 0;
    this.#served = 0;
    this.#failed = 0;
    return new Promise((resolve) => {
      this.#done = () => resolve(this.#served);
      this.#fill();
    });
  }

  #fill(): void {
    while (this.#underWay < (this.#options.concurrency ?? 100) && this.#next < this.#connections.length) {
      const connection = this.#connections[this.#next++];
      if (connection === undefined) break;
      this.#underWay++;
      if (this.#opening) connection.connect();
      else if (connection.open) this.#send(connection);
      else this.onFailure();
    }
  }

  #send(connection: LoadConnection): void {
    connection.send(this.#options.request, performance.now());
  }

  #settle(): void {
    this.#underWay--;
    if (this.#served + this.#failed === this.#connections.length) this.#done?.();
    else this.#fill();
  }
}
