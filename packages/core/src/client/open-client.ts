import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import {
  readEncrypted,
  readFrom,
  readPublicly,
  type ByteReader,
  type ReadableClient,
} from '../client-socket.ts';
import { Http2Session } from '../http2/session.ts';
import type { StreamPool } from '../http2/stream-pool.ts';
import type { ListenerPolicy } from '../listener-policy.ts';
import type { ClientConnection } from '../listener.ts';
import type { ConnectionEnds } from '../proxy-protocol.ts';
import type { Runtime } from '../runtime.ts';
import { ExchangePool } from './exchange-pool.ts';
import { FirstBytes } from './first-bytes.ts';
import { Http1Connection } from './http1-connection.ts';
import { ClientPeer } from './peer.ts';

/** What the connections of one listener have in common. */
export class ClientOpener {
  readonly #runtime: Runtime;
  readonly #exchanges: ExchangePool;
  readonly #streams: StreamPool;
  readonly #policy: ListenerPolicy | undefined;
  readonly #closed: (connection: ClientConnection) => void;

  constructor(
    runtime: Runtime,
    streams: StreamPool,
    policy: ListenerPolicy | undefined,
    closed: (connection: ClientConnection) => void,
  ) {
    this.#runtime = runtime;
    this.#exchanges = new ExchangePool(runtime);
    this.#streams = streams;
    this.#policy = policy;
    this.#closed = closed;
  }

  /** A connection without TLS. */
  plain(accepted: Socket, ends: ConnectionEnds, h2c: boolean): ClientConnection {
    // What was read already, such as a PROXY protocol header, has left the rest in the socket's own buffer.
    const readSocket = accepted.bytesRead === 0 ? readFrom : readPublicly;
    if (!h2c) return this.#http1(ends, undefined, (reader) => readSocket(accepted, reader));
    const choose = (http2: boolean, client: ReadableClient): ClientConnection & ByteReader => {
      const same = (): ReadableClient => client;
      return http2 ? this.#http2(ends, undefined, same) : this.#http1(ends, undefined, same);
    };
    const read = (reader: ByteReader): ReadableClient => readSocket(accepted, reader);
    return new FirstBytes(this.#runtime, read, ends.address, choose, this.#closed);
  }

  /** A connection whose handshake is done: ALPN has decided what it speaks. */
  secure(socket: TLSSocket, ends: ConnectionEnds): ClientConnection {
    const read = (reader: ByteReader): ReadableClient => readEncrypted(socket, reader);
    return socket.alpnProtocol === 'h2' ? this.#http2(ends, socket, read) : this.#http1(ends, socket, read);
  }

  #http1(
    ends: ConnectionEnds,
    secure: TLSSocket | undefined,
    read: (reader: ByteReader) => ReadableClient,
  ): Http1Connection {
    const connection = new Http1Connection(
      this.#runtime,
      this.#peer(ends, secure, ''),
      this.#exchanges,
      this.#closed,
    );
    connection.open(read(connection));
    return connection;
  }

  #http2(
    ends: ConnectionEnds,
    secure: TLSSocket | undefined,
    read: (reader: ByteReader) => ReadableClient,
  ): Http2Session {
    const peer = this.#peer(ends, secure, '2.0');
    const session = new Http2Session(this.#runtime, peer, this.#streams, this.#closed);
    session.open(read(session));
    return session;
  }

  #peer(ends: ConnectionEnds, secure: TLSSocket | undefined, version: string): ClientPeer {
    const { trustedProxies, forwarding } = this.#runtime.settings;
    const policy = this.#policy;
    return new ClientPeer({
      ends,
      secure: secure !== undefined,
      trusted: trustedProxies.trusts(ends.address),
      forwarding,
      policy,
      ...(version === '' ? {} : { version }),
      ...(secure === undefined || policy?.identify === undefined
        ? {}
        : { identity: policy.identify(secure) }),
    });
  }
}
