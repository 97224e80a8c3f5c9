import net from 'node:net';
import tls from 'node:tls';
import type { BackendTarget, ConnectionSource } from '../contracts.ts';
import { ProxyFailure } from '../failure.ts';
import { OwnBuffer } from '../read-buffers.ts';
import type { Runtime } from '../runtime.ts';
import { Timer } from '../timer-wheel.ts';
import { BackendConnection } from './connection.ts';

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

/** Opens connections to one backend. */
export class BackendConnector {
  readonly #runtime: Runtime;
  readonly #target: BackendTarget;
  readonly #secure: tls.SecureContext | undefined;
  readonly #tls: BackendTls;
  #pool: ConnectionSource<BackendConnection> | undefined = undefined;

  constructor(runtime: Runtime, target: BackendTarget, tlsOptions: BackendTls = {}) {
    this.#runtime = runtime;
    this.#target = target;
    this.#tls = tlsOptions;
    this.#secure = target.protocol === 'https' ? tls.createSecureContext(contextOptions(tlsOptions)) : undefined;
  }

  /** The pool that gets the connections; set once, since pool and connector need each other. */
  for(pool: ConnectionSource<BackendConnection>): void {
    this.#pool = pool;
  }

  connect(attempt: Attempt<BackendConnection>): void {
    const connecting = new Connecting(this.#runtime, this.#target, this.#pool!, attempt);
    attempt.context = connecting;
    connecting.open((onread) => this.#open(onread), this.#secure === undefined ? 'connect' : 'secureConnect');
  }

  abandon(attempt: Attempt<BackendConnection>): void {
    if (attempt.context instanceof Connecting) attempt.context.abandon();
  }

  #open(onread: net.OnReadOpts): net.Socket {
    const { host, port } = this.#target;
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
      checkServerIdentity: (_host, certificate) => tls.checkServerIdentity(name, certificate),
    });
  }
}

/** A socket on its way to being a connection: the only place that knows it before. */
class Connecting extends Timer {
  readonly #runtime: Runtime;
  readonly #target: BackendTarget;
  readonly #pool: ConnectionSource<BackendConnection>;
  readonly #attempt: Attempt<BackendConnection>;
  readonly #buffer: OwnBuffer = new OwnBuffer();
  #socket: net.Socket | undefined = undefined;
  #connection: BackendConnection | undefined = undefined;
  #error: Error | undefined = undefined;

  constructor(
    runtime: Runtime,
    target: BackendTarget,
    pool: ConnectionSource<BackendConnection>,
    attempt: Attempt<BackendConnection>,
  ) {
    super();
    this.#runtime = runtime;
    this.#target = target;
    this.#pool = pool;
    this.#attempt = attempt;
  }

  open(open: (onread: net.OnReadOpts) => net.Socket, ready: 'connect' | 'secureConnect'): void {
    const buffer = this.#buffer;
    const socket = open({
      buffer: () => buffer.next() as Buffer,
      callback: (length, chunk) => {
        this.#connection?.read(chunk as Buffer, length, buffer);
        return true;
      },
    });
    this.#socket = socket;
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('close', () => this.#closed());
    socket.once(ready, () => this.#ready(socket));
    this.#runtime.wheel.arm(this, this.#attempt.timeout, this.#runtime.now);
  }

  abandon(): void {
    this.#socket?.destroy();
  }

  override expired(): void {
    this.#error = new ProxyFailure('CONNECT_TIMEOUT', `${this.#target.key}: not in ${this.#attempt.timeout} ms`);
    this.#socket?.destroy();
  }

  #ready(socket: net.Socket): void {
    this.#runtime.touch();
    this.#runtime.wheel.remove(this);
    const connection = new BackendConnection(this.#runtime, this.#pool, socket);
    this.#connection = connection;
    socket.on('drain', () => connection.drained());
    socket.on('end', () => connection.ended());
    this.#attempt.succeeded(connection);
  }

  #closed(): void {
    this.#runtime.touch();
    this.#buffer.free();
    if (this.#connection !== undefined) return this.#connection.closed(this.#error);
    this.#runtime.wheel.remove(this);
    this.#attempt.failed(connectFailure(this.#target, this.#error));
  }
}

function connectFailure(target: BackendTarget, error: Error | undefined): ProxyFailure {
  if (error instanceof ProxyFailure) return error;
  const reason = error?.message ?? 'closed before it was ready';
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? '';
  // A certificate that does not verify, or a peer that speaks no TLS: which one stands in the log.
  const secure = /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH|EPROTO)/.test(code);
  return new ProxyFailure(secure ? 'BACKEND_TLS' : 'BACKEND_REFUSED', `${target.key}: ${reason}`, error);
}

function contextOptions(options: BackendTls): tls.SecureContextOptions {
  const context: tls.SecureContextOptions = { minVersion: 'TLSv1.2' };
  if (options.ca !== undefined) context.ca = typeof options.ca === 'string' ? options.ca : [...options.ca];
  if (options.cert !== undefined) context.cert = options.cert;
  if (options.key !== undefined) context.key = options.key;
  return context;
}
