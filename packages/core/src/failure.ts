/** Who is to blame for a failure: decides what is logged, counted and held against a backend. */
export type FailureSource = 'client' | 'backend' | 'proxy';

/**
 * Whether the same request may be sent again elsewhere. `reusedOnly`: only if it went out on a reused connection
 * that turned out to be closed (RFC 9112 §9.3.1).
 */
export type Retryable = 'yes' | 'no' | 'reusedOnly';

/** Stable names of everything that can go wrong with an exchange. */
export type FailureCode =
  | 'BAD_REQUEST'
  | 'NO_ROUTE'
  | 'METHOD_NOT_ALLOWED'
  | 'REQUEST_TIMEOUT'
  | 'BODY_TOO_LARGE'
  | 'TARGET_TOO_LONG'
  | 'EXPECTATION_FAILED'
  | 'MISDIRECTED'
  | 'FIELDS_TOO_LARGE'
  | 'INTERNAL'
  | 'NOT_IMPLEMENTED'
  | 'BACKEND_REFUSED'
  | 'BACKEND_CLOSED'
  | 'BACKEND_INVALID'
  | 'BACKEND_TLS'
  | 'NO_BACKEND'
  | 'POOL_EXHAUSTED'
  | 'OVERLOADED'
  | 'CONNECT_TIMEOUT'
  | 'BACKEND_TIMEOUT'
  | 'CACHE_ONLY'
  | 'VERSION_NOT_SUPPORTED'
  | 'CLIENT_GONE'
  | 'CLIENT_STALLED'
  | 'DRAINED';

/** One line of the table. */
export interface FailureRow {
  readonly status: number;
  readonly source: FailureSource;
  readonly retryable: Retryable;
  /** Whether the client connection must end with this answer, since what follows on it cannot be trusted. */
  readonly close: boolean;
  /** For people: says nothing of our insides. */
  readonly message: string;
}

const row = (
  status: number,
  source: FailureSource,
  message: string,
  options?: { retryable?: Retryable; close?: boolean },
): FailureRow => ({
  status,
  source,
  message,
  retryable: options?.retryable ?? 'no',
  close: options?.close ?? false,
});

/**
 * The one table from failure to answer (spec 7.1). `status` 0: no answer can be sent; the exchange is cut.
 * The README's table is compared with this one by a test.
 */
export const failures: Readonly<Record<FailureCode, FailureRow>> = {
  BAD_REQUEST: row(400, 'client', 'The request is malformed.', { close: true }),
  NO_ROUTE: row(404, 'client', 'Nothing is served under this host and path.'),
  METHOD_NOT_ALLOWED: row(405, 'client', 'This method is not allowed here.'),
  REQUEST_TIMEOUT: row(408, 'client', 'The request did not arrive in time.', { close: true }),
  BODY_TOO_LARGE: row(413, 'client', 'The request body is larger than allowed.', { close: true }),
  TARGET_TOO_LONG: row(414, 'client', 'The request line is longer than allowed.', { close: true }),
  EXPECTATION_FAILED: row(417, 'client', 'The expectation of the request cannot be met.', { close: true }),
  MISDIRECTED: row(421, 'client', 'This connection does not serve the requested host.'),
  FIELDS_TOO_LARGE: row(431, 'client', 'The header fields of the request are larger than allowed.', {
    close: true,
  }),
  INTERNAL: row(500, 'proxy', 'Something went wrong inside the proxy.', { close: true }),
  NOT_IMPLEMENTED: row(501, 'client', 'This method or transfer coding is not supported.', { close: true }),
  BACKEND_REFUSED: row(502, 'backend', 'The server behind this proxy could not be reached.', {
    retryable: 'yes',
  }),
  BACKEND_CLOSED: row(502, 'backend', 'The server behind this proxy closed the connection.', {
    retryable: 'yes',
  }),
  BACKEND_INVALID: row(502, 'backend', 'The server behind this proxy sent an invalid response.'),
  BACKEND_TLS: row(502, 'backend', 'The server behind this proxy could not be verified.', {
    retryable: 'yes',
  }),
  NO_BACKEND: row(503, 'backend', 'No server is available for this request at the moment.'),
  POOL_EXHAUSTED: row(503, 'proxy', 'Too many requests are waiting for a server.', { retryable: 'yes' }),
  OVERLOADED: row(503, 'proxy', 'The proxy is too busy at the moment.', { close: true }),
  CONNECT_TIMEOUT: row(504, 'backend', 'The server behind this proxy could not be reached in time.', {
    retryable: 'yes',
  }),
  BACKEND_TIMEOUT: row(504, 'backend', 'The server behind this proxy did not answer in time.', {
    retryable: 'yes',
  }),
  CACHE_ONLY: row(504, 'client', 'The response is not stored, and the request allows no other.'),
  VERSION_NOT_SUPPORTED: row(505, 'client', 'This version of HTTP is not supported.', { close: true }),
  CLIENT_GONE: row(0, 'client', 'The client closed the connection.'),
  CLIENT_STALLED: row(0, 'client', 'The client stopped reading the response.'),
  DRAINED: row(0, 'proxy', 'The proxy shut down before the response was complete.'),
};

/** Why an exchange failed. Callers match on `code`; `detail` and `cause` are for the log only, never for the client. */
export class ProxyFailure extends Error {
  readonly code: FailureCode;
  readonly status: number;
  readonly source: FailureSource;
  readonly retryable: Retryable;
  /** For the log: what exactly was wrong. */
  readonly detail: string;

  constructor(code: FailureCode, detail = '', cause?: unknown) {
    const known = failures[code];
    super(known.message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.status = known.status;
    this.source = known.source;
    this.retryable = known.retryable;
    this.detail = detail;
  }

  /** Whether the client connection must end with the answer. */
  get closes(): boolean {
    return failures[this.code].close;
  }
}

/**
 * The backend closes a connection in good order, and says that it did not look at the request (RFC 9113 §6.8): it
 * wants it on another connection, and is none the worse for that.
 */
export class MovedAway extends ProxyFailure {
  constructor(detail: string) {
    super('BACKEND_REFUSED', detail);
  }
}

const byWireStatus: Record<number, FailureCode> = {
  400: 'BAD_REQUEST',
  413: 'BODY_TOO_LARGE',
  414: 'TARGET_TOO_LONG',
  417: 'EXPECTATION_FAILED',
  431: 'FIELDS_TOO_LARGE',
  501: 'NOT_IMPLEMENTED',
  505: 'VERSION_NOT_SUPPORTED',
};

/** What the parser of requests refused, as a failure of ours. */
export function requestFailure(wire: { readonly status: number; readonly message: string }): ProxyFailure {
  return new ProxyFailure(byWireStatus[wire.status] ?? 'BAD_REQUEST', wire.message, wire);
}
