import net from 'node:net';
import tls from 'node:tls';
import type { BackendTarget } from '../contracts.ts';
import { ProxyFailure } from '../failure.ts';
import { OwnBuffer, type ChunkSource } from '../read-buffers.ts';
import type { Runtime } from '../runtime.ts';
import { Timer } from '../timer-wheel.ts';

/** How to connect to a TLS backend (spec 3.5). Verification is on unless somebody switches it off by name. */
export interface BackendTls {
  /** PEM bundle; default: the system's. */
  ca?: string | readonly string[];
  /** Name sent by SNI and verified. Default: the backend's host. */
  serverName?: string;
  cert?: string;
  key?: string;
  /** False accepts any certificate: hazard, for tests only. Default true. */
  verify?: boolean;
}

/** One connect under way, as the pool sees it. */
export interface Attempt<C> {
  /** Milliseconds. */
  readonly timeout: number;
  context: unknown;
  succeeded(connection: C): void;
  failed(error: unknown): void;
}

/** What a connected socket belongs to. */
export interface SocketUser {
  read(chunk: Buffer, length: number, source: ChunkSource): void;
  drained(): void;
  /** The backend sent its end of stream. */
  ended(): void;
  /** The socket is closed, with or without an error. */
  closed(error: Error | undefined): void;
}

/** Opens sockets to one backend. */
export class BackendSockets {
  readonly target: BackendTarget;
  readonly #secure: tls.SecureContext | undefined;
  readonly #tls: BackendTls;
  readonly #alpn: readonly string[] | undefined;

  /** @param alpn protocols to offer over TLS; undefined: none, which means HTTP/1.1 */
  constructor(target: BackendTarget, tlsOptions: BackendTls, alpn?: readonly string[]) {
    this.target = target;
    this.#tls = tlsOptions;
    const secure = target.protocol === 'https' || target.protocol === 'h2';
    this.#secure = secure ? tls.createSecureContext(contextOptions(tlsOptions)) : undefined;
    this.#alpn = alpn;
  }

  get secure(): boolean {
    return this.#secure !== undefined;
  }

  open(onread: net.OnReadOpts): net.Socket {
    const { host, port } = this.target;
    const address = host.startsWith('[') ? host.slice(1, -1) : host;
    const common = { host: address, port, noDelay: true, keepAlive: true, allowHalfOpen: true, onread };
    if (this.#secure === undefined) return net.connect(common);
    const name = this.#tls.serverName ?? address;
    return tls.connect({
      ...common,
      secureContext: this.#secure,
      rejectUnauthorized: this.#tls.verify !== false,
      // SNI carries names only (RFC 6066 §3).
      ...(net.isIP(name) === 0 ? { servername: name } : { servername: '' }),
      ...(this.#alpn === undefined ? {} : { ALPNProtocols: [...this.#alpn] }),
      checkServerIdentity: (_host, certificate) => tls.checkServerIdentity(name, certificate),
    });
  }
}

/** A socket on its way to being a connection: the only place that knows it before. */
export class Connecting<C extends SocketUser> extends Timer {
  readonly #runtime: Runtime;
  readonly #sockets: BackendSockets;
  readonly #attempt: Attempt<C>;
  readonly #create: (socket: net.Socket) => C | ProxyFailure;
  readonly #buffer: OwnBuffer = new OwnBuffer();
  #socket: net.Socket | undefined = undefined;
  #connection: C | undefined = undefined;
  #error: Error | undefined = undefined;

  /** @param create makes the connection; a failure instead if the peer is not who it should be */
  constructor(
    runtime: Runtime,
    sockets: BackendSockets,
    attempt: Attempt<C>,
    create: (socket: net.Socket) => C | ProxyFailure,
  ) {
    super();
    this.#runtime = runtime;
    this.#sockets = sockets;
    this.#attempt = attempt;
    this.#create = create;
  }

  open(): void {
    const buffer = this.#buffer;
    const socket = this.#sockets.open({
      buffer: () => buffer.next() as Buffer,
      callback: (length, chunk) => {
        try {
          this.#connection?.read(chunk as Buffer, length, buffer);
        } catch (error) {
          this.#runtime.internalError(error, this.#socket);
        }
        return true;
      },
    });
    this.#socket = socket;
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('close', () => this.#contained('close', socket));
    socket.once(this.#sockets.secure ? 'secureConnect' : 'connect', () => this.#contained('ready', socket));
    this.#runtime.wheel.arm(this, this.#attempt.timeout, this.#runtime.now);
  }

  abandon(): void {
    this.#socket?.destroy();
  }

  override expired(): void {
    const { key } = this.#sockets.target;
    this.#error = new ProxyFailure('CONNECT_TIMEOUT', `${key}: not in ${this.#attempt.timeout} ms`);
    this.#socket?.destroy();
  }

  #contained(event: 'ready' | 'drain' | 'end' | 'close', socket: net.Socket): void {
    try {
      if (event === 'ready') this.#ready(socket);
      else if (event === 'close') this.#closed();
      else if (event === 'drain') this.#connection?.drained();
      else this.#connection?.ended();
    } catch (error) {
      this.#runtime.internalError(error, socket);
    }
  }

  #ready(socket: net.Socket): void {
    this.#runtime.touch();
    this.#runtime.wheel.remove(this);
    const connection = this.#create(socket);
    if (connection instanceof ProxyFailure) {
      this.#error = connection;
      socket.destroy();
      return;
    }
    this.#connection = connection;
    socket.on('drain', () => this.#contained('drain', socket));
    socket.on('end', () => this.#contained('end', socket));
    this.#attempt.succeeded(connection);
  }

  #closed(): void {
    this.#runtime.touch();
    this.#buffer.free();
    if (this.#connection !== undefined) return this.#connection.closed(this.#error);
    this.#runtime.wheel.remove(this);
    this.#attempt.failed(connectFailure(this.#sockets.target, this.#error));
  }
}

function connectFailure(target: BackendTarget, error: Error | undefined): ProxyFailure {
  if (error instanceof ProxyFailure) return error;
  const reason = error?.message ?? 'closed before it was ready';
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? '';
  // A certificate that does not verify, or a peer that speaks no TLS: which one stands in the log.
  const secure = /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH|EPROTO)/.test(
    code,
  );
  return new ProxyFailure(secure ? 'BACKEND_TLS' : 'BACKEND_REFUSED', `${target.key}: ${reason}`, error);
}

function contextOptions(options: BackendTls): tls.SecureContextOptions {
  const context: tls.SecureContextOptions = { minVersion: 'TLSv1.2' };
  if (options.ca !== undefined) context.ca = typeof options.ca === 'string' ? options.ca : [...options.ca];
  if (options.cert !== undefined) context.cert = options.cert;
  if (options.key !== undefined) context.key = options.key;
  return context;
}
