import net from 'node:net';
import { Http1Connection } from './client/http1-connection.ts';
import { ClientPeer } from './client/peer.ts';
import { readFrom } from './client-socket.ts';
import { Counter } from './counters.ts';
import { ProxyFailure } from './failure.ts';
import type { Runtime } from './runtime.ts';
import { plainAddress } from './trusted-proxies.ts';

/** A client connection as its listener sees it. */
export interface ClientConnection {
  readonly address: string;
  readonly isIdle: boolean;
  drain(grace: number): void;
  terminate(failure: ProxyFailure): void;
}

export interface ListenOptions {
  /** Default `0.0.0.0`. */
  address?: string;
  /** 0: one that the system chooses. */
  port?: number;
  /** Several event loops accept on the same port (SO_REUSEPORT). Default false. */
  reusePort?: boolean;
  /** A listening socket that somebody else opened, instead of address and port. */
  fd?: number;
  /** Connections that the kernel keeps until they are accepted. Default 1,024. */
  backlog?: number;
}

/** Every client connection of one event loop, and the limits on their number (spec 2.4). */
export class ClientConnections {
  readonly #runtime: Runtime;
  readonly #open: Set<ClientConnection> = new Set();
  readonly #perAddress: Map<string, number> = new Map();
  #drained: (() => void) | undefined = undefined;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  get size(): number {
    return this.#open.size;
  }

  admits(address: string): boolean {
    const { limits } = this.#runtime.settings;
    if (this.#open.size >= limits.maxConnections) return false;
    return limits.perAddress === Infinity || (this.#perAddress.get(address) ?? 0) < limits.perAddress;
  }

  add(connection: ClientConnection): void {
    this.#open.add(connection);
    const { address } = connection;
    this.#perAddress.set(address, (this.#perAddress.get(address) ?? 0) + 1);
    this.#runtime.counters.cells[Counter.connectionsAccepted]!++;
    this.#runtime.counters.cells[Counter.connectionsNow]!++;
  }

  remove(connection: ClientConnection): void {
    if (!this.#open.delete(connection)) return;
    const { address } = connection;
    const left = (this.#perAddress.get(address) ?? 1) - 1;
    if (left === 0) this.#perAddress.delete(address);
    else this.#perAddress.set(address, left);
    this.#runtime.counters.cells[Counter.connectionsNow]!--;
    if (this.#open.size === 0) this.#drained?.();
  }

  /** Lets every connection end after its current exchange; resolves when none is left. */
  drain(idleGrace: number): Promise<void> {
    for (const connection of this.#open) connection.drain(idleGrace);
    if (this.#open.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#drained = resolve;
    });
  }

  terminate(failure: ProxyFailure): void {
    for (const connection of [...this.#open]) connection.terminate(failure);
  }
}

const refusal = Buffer.from(
  'HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
);

/** Accepts plain HTTP/1 connections on one address. */
export class Listener {
  readonly #runtime: Runtime;
  readonly #connections: ClientConnections;
  readonly #server: net.Server;

  constructor(runtime: Runtime, connections: ClientConnections) {
    this.#runtime = runtime;
    this.#connections = connections;
    this.#server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) =>
      this.#accept(socket),
    );
  }

  /** Resolves when it accepts connections; rejects where it cannot (address in use, no permission). */
  listen(options: ListenOptions): Promise<net.AddressInfo> {
    const { fd, address = '0.0.0.0', port = 0, reusePort = false, backlog = 1024 } = options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      const listening = (): void => {
        this.#server.off('error', reject);
        this.#server.on('error', (error) => this.#runtime.log.error({ error: error.message }, 'listener failed'));
        resolve(this.#server.address() as net.AddressInfo);
      };
      if (fd === undefined) this.#server.listen({ host: address, port, reusePort, backlog }, listening);
      else this.#server.listen({ fd }, listening);
    });
  }

  get address(): net.AddressInfo {
    return this.#server.address() as net.AddressInfo;
  }

  /** Accepts no more; open connections go on. */
  close(): void {
    this.#server.close();
  }

  #accept(accepted: net.Socket): void {
    const address = plainAddress(accepted.remoteAddress ?? '');
    const localPort = accepted.localPort ?? 0;
    // Gone before it was accepted: there is nobody to talk to.
    if (address === '') return void accepted.destroy();
    if (!this.#connections.admits(address)) return this.#refuse(accepted);
    const { hooks } = this.#runtime;
    if (!hooks.connectionEstablished.active) return this.#open(accepted, address, localPort);
    accepted.on('error', () => accepted.destroy());
    hooks.connectionEstablished.run({ address, secure: false }, (verdict) => {
      if (verdict !== undefined || accepted.destroyed) accepted.destroy();
      else this.#open(accepted, address, localPort);
    });
  }

  #open(accepted: net.Socket, address: string, localPort: number): void {
    const { settings } = this.#runtime;
    const peer = new ClientPeer({
      address,
      localPort,
      secure: false,
      trusted: settings.trustedProxies.trusts(address),
      via: settings.forwarding.via,
      forwarded: settings.forwarding.forwarded,
    });
    const connection = new Http1Connection(this.#runtime, peer, (closed) => this.#connections.remove(closed));
    connection.open(readFrom(accepted, connection));
    this.#connections.add(connection);
  }

  #refuse(socket: net.Socket): void {
    this.#runtime.counters.cells[Counter.connectionsRefused]!++;
    socket.on('error', () => socket.destroy());
    socket.end(refusal, () => socket.destroy());
  }
}
