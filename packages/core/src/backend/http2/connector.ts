import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { BackendTarget } from '../../contracts.ts';
import { ProxyFailure } from '../../failure.ts';
import type { Runtime } from '../../runtime.ts';
import { BackendSockets, Connecting, type Attempt, type BackendTls } from '../connecting.ts';
import { Http2BackendSession } from './session.ts';
import type { SessionOwner } from './session-life.ts';

/** Opens HTTP/2 connections to one backend: by ALPN over TLS, with prior knowledge in the clear (RFC 9113 §3). */
export class Http2Connector {
  readonly target: BackendTarget;
  readonly #runtime: Runtime;
  readonly #sockets: BackendSockets;

  constructor(runtime: Runtime, target: BackendTarget, tlsOptions: BackendTls = {}) {
    this.target = target;
    this.#runtime = runtime;
    this.#sockets = new BackendSockets(target, tlsOptions, ['h2']);
  }

  connect(attempt: Attempt<Http2BackendSession>, owner: SessionOwner): void {
    const create = (socket: Socket) => this.#session(socket, owner);
    const connecting = new Connecting(this.#runtime, this.#sockets, attempt, create);
    attempt.context = connecting;
    connecting.open();
  }

  abandon(attempt: Attempt<Http2BackendSession>): void {
    if (attempt.context instanceof Connecting) attempt.context.abandon();
  }

  #session(socket: Socket, owner: SessionOwner): Http2BackendSession | ProxyFailure {
    // A peer that did not choose h2 would take our preface for a request (RFC 9113 §3.2).
    if (this.#sockets.secure && (socket as TLSSocket).alpnProtocol !== 'h2') {
      return new ProxyFailure('BACKEND_TLS', `${this.target.key}: did not choose h2 by ALPN`);
    }
    return new Http2BackendSession(this.#runtime, owner, socket);
  }
}
