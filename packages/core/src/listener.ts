import net from 'node:net';
import tls from 'node:tls';
import { AcceptSwitch } from './accept-switch.ts';
import type { ClientConnections } from './client-connections.ts';
import { ClientOpener } from './client/open-client.ts';
import { ProxyHeaderReader } from './client/proxy-header.ts';
import { Counter } from './counters.ts';
import type { ProxyFailure } from './failure.ts';
import { StreamPool } from './http2/stream-pool.ts';
import type { ListenerPolicy } from './listener-policy.ts';
import type { ConnectionEnds } from './proxy-protocol.ts';
import type { Runtime } from './runtime.ts';
import { plainAddress } from './trusted-proxies.ts';

/** A client connection as its listener sees it. */
export interface ClientConnection {
  readonly address: string;
  readonly isIdle: boolean;
  drain(grace: number): void;
  terminate(failure: ProxyFailure): void;
}

/** TLS on a listener: certificates and all that belongs to them are injected. */
export interface ListenTls {
  /**
   * For `tls.createServer`. They hold keys: pass them on, never log them. `ALPNProtocols` decides whether HTTP/2 is
   * offered: what a client agrees on is what it gets.
   */
  readonly options: tls.TlsOptions;
  /** Called once, before the server listens: to swap certificates under it later, and to count handshakes. */
  onServer?(server: tls.Server): void;
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
  /** Default: none. */
  tls?: ListenTls;
  /** Without TLS: HTTP/2 with prior knowledge beside HTTP/1 (RFC 9113 §3.3). Default false. */
  h2c?: boolean;
  /**
   * A PROXY protocol header, of version 1 or 2, comes before everything else of a connection, TLS included; its
   * addresses count in place of the socket's. Hazard: whoever can connect chooses its address. Default false.
   */
  proxyProtocol?: boolean;
  /** Default: none. */
  policy?: ListenerPolicy;
}

const refusal = Buffer.from(
  'HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
);

/** Accepts connections on one address, with TLS or without, and knows those that came by it. */
export class Listener {
  readonly #runtime: Runtime;
  readonly #connections: ClientConnections;
  readonly #open: Set<ClientConnection> = new Set();
  readonly #opener: ClientOpener;
  readonly #h2c: boolean;
  readonly #server: net.Server;
  readonly #switch: AcceptSwitch;
  /** Connections in their handshake, or before their PROXY protocol header: they count, and end with the engine. */
  readonly #arriving: Set<net.Socket> = new Set();
  /** What PROXY protocol headers said of connections that are in their handshake. */
  readonly #announced: WeakMap<net.Socket, ConnectionEnds> = new WeakMap();

  constructor(runtime: Runtime, connections: ClientConnections, options: ListenOptions) {
    this.#runtime = runtime;
    this.#connections = connections;
    this.#h2c = options.h2c === true;
    const closed = (connection: ClientConnection): void => this.#closed(connection);
    this.#opener = new ClientOpener(runtime, new StreamPool(runtime), options.policy, closed);
    this.#server = this.#createServer(options);
    this.#switch = new AcceptSwitch(this.#server);
  }

  #createServer({ tls: secure, proxyProtocol = false }: ListenOptions): net.Server {
    if (secure === undefined) {
      const accept = (socket: net.Socket, ends: ConnectionEnds): void => this.#accept(socket, ends);
      return plainServer((socket) => {
        if (proxyProtocol) return this.#announce(socket, accept);
        this.#connections.taken++;
        accept(socket, endsOf(socket));
      });
    }
    const server = this.#tlsServer(secure);
    if (!proxyProtocol) return server;
    // The server for TLS does not listen then: it gets sockets whose header was read.
    return plainServer((socket) =>
      this.#announce(socket, (_socket, ends) => {
        this.#announced.set(socket, ends);
        server.emit('connection', socket);
      }),
    );
  }

  #tlsServer({ options, onServer }: ListenTls): net.Server {
    const common = { allowHalfOpen: true, noDelay: true };
    const server = tls.createServer({ ...options, ...common }, (socket) => this.#shaken(socket));
    // Only handshakes that fail come here; what goes wrong later is the connection's business.
    server.on('tlsClientError', (_error, socket) => {
      this.#runtime.counters.cells[Counter.handshakeFailures]!++;
      socket.destroy();
    });
    onServer?.(server);
    server.on('connection', (raw: net.Socket) => this.#beginHandshake(raw));
    return server;
  }

  /** Resolves when it accepts connections; rejects where it cannot (address in use, no permission). */
  listen(options: ListenOptions): Promise<net.AddressInfo> {
    const { fd, address = '0.0.0.0', port = 0, reusePort = false, backlog = 1024 } = options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      const listening = (): void => {
        this.#server.off('error', reject);
        this.#server.on('error', (error) =>
          this.#runtime.log.error({ error: error.message }, 'listener failed'),
        );
        resolve(this.#server.address() as net.AddressInfo);
      };
      if (fd === undefined) this.#server.listen({ host: address, port, reusePort, backlog }, listening);
      else this.#server.listen({ fd }, listening);
    });
  }

  get address(): net.AddressInfo {
    return this.#server.address() as net.AddressInfo;
  }

  get isOpen(): boolean {
    return this.#server.listening;
  }

  /** Open connections that came by it. */
  get size(): number {
    return this.#open.size;
  }

  /** Leaves what waits to be accepted to others that listen on the same socket, or takes it again. */
  accepting(on: boolean): void {
    if (on) this.#switch.resume();
    else this.#switch.pause();
  }

  /** Accepts no more; open connections go on. */
  close(): void {
    this.#server.close();
  }

  /** Lets open connections end after their current exchange; those that are idle have `grace` milliseconds. */
  drain(grace: number): void {
    for (const connection of this.#open) connection.drain(grace);
  }

  /** Lets open connections end that are idle. */
  drainIdle(grace: number): void {
    for (const connection of this.#open) if (connection.isIdle) connection.drain(grace);
  }

  /** Cuts everything, also what is not open yet. */
  terminate(failure: ProxyFailure): void {
    for (const raw of this.#arriving) raw.destroy();
    for (const connection of this.#open) connection.terminate(failure);
  }

  #add(connection: ClientConnection): void {
    this.#open.add(connection);
    this.#connections.add(connection.address);
  }

  #closed(connection: ClientConnection): void {
    if (this.#open.delete(connection)) this.#connections.remove(connection.address);
  }

  #arrives(raw: net.Socket): void {
    this.#arriving.add(raw);
    this.#connections.arrives();
    raw.once('close', () => this.#arrived(raw, false));
  }

  #arrived(raw: net.Socket, stays: boolean): void {
    if (this.#arriving.delete(raw)) this.#connections.arrived(stays);
  }

  /** Goes on when the PROXY protocol header was read: whose address it is is known only then. */
  #announce(socket: net.Socket, accept: (socket: net.Socket, ends: ConnectionEnds) => void): void {
    this.#connections.taken++;
    const own = endsOf(socket);
    if (own.address === '' || !this.#connections.hasRoom()) {
      this.#runtime.counters.cells[Counter.connectionsRefused]!++;
      return void socket.destroy();
    }
    this.#arrives(socket);
    const reader = new ProxyHeaderReader(this.#runtime, socket, (ends) => {
      this.#arrived(socket, true);
      accept(socket, ends ?? own);
    });
    reader.start();
  }

  #accept(accepted: net.Socket, ends: ConnectionEnds): void {
    const { address } = ends;
    // Gone before it was accepted: there is nobody to talk to.
    if (address === '') return void accepted.destroy();
    if (!this.#connections.admits(address)) return this.#refuse(accepted);
    this.#asked(accepted, address, false, () => this.#add(this.#opener.plain(accepted, ends, this.#h2c)));
  }

  /** A handshake costs a hundred times what a request costs: over the limits none begins. */
  #beginHandshake(raw: net.Socket): void {
    if (!this.#announced.has(raw)) this.#connections.taken++;
    const { address } = this.#announced.get(raw) ?? endsOf(raw);
    if (raw.destroyed) return;
    if (address === '' || !this.#connections.admits(address)) {
      this.#runtime.counters.cells[Counter.connectionsRefused]!++;
      return void raw.destroy();
    }
    this.#arrives(raw);
  }

  #shaken(socket: tls.TLSSocket): void {
    this.#runtime.counters.cells[Counter.handshakes]!++;
    const raw = rawSocket(socket);
    const ends = this.#announced.get(raw) ?? endsOf(socket);
    this.#arrived(raw, ends.address !== '');
    if (ends.address === '') return void socket.destroy();
    this.#asked(socket, ends.address, true, () => this.#add(this.#opener.secure(socket, ends)));
  }

  /** Goes on when the hooks, if there are any, let the connection pass. */
  #asked(accepted: net.Socket, address: string, secure: boolean, open: () => void): void {
    const { hooks } = this.#runtime;
    if (!hooks.connectionEstablished.active) return open();
    accepted.on('error', () => accepted.destroy());
    hooks.connectionEstablished.run({ address, secure }, (verdict) => {
      if (verdict !== undefined || accepted.destroyed) accepted.destroy();
      else open();
    });
  }

  #refuse(socket: net.Socket): void {
    this.#runtime.counters.cells[Counter.connectionsRefused]!++;
    socket.on('error', () => socket.destroy());
    socket.end(refusal, () => socket.destroy());
  }
}

/** Nothing is read before somebody asks for it: that is what taking a handle over needs, and a PROXY protocol header. */
function plainServer(accepted: (socket: net.Socket) => void): net.Server {
  return net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, accepted);
}

/** The ends of a socket; its address is '' when it has gone. */
function endsOf(socket: net.Socket): ConnectionEnds {
  return {
    address: plainAddress(socket.remoteAddress ?? ''),
    port: socket.remotePort ?? 0,
    localAddress: plainAddress(socket.localAddress ?? ''),
    localPort: socket.localPort ?? 0,
  };
}

/** The socket under a TLSSocket (undocumented); the TLSSocket itself where there is none, which then counts until it closes. */
function rawSocket(socket: tls.TLSSocket): net.Socket {
  const raw: unknown = Reflect.get(socket, '_parent');
  return raw instanceof net.Socket ? raw : socket;
}
