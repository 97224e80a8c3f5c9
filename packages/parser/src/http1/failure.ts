/** Stable names of the reasons to refuse a message. Match on these, never on the message. */
export type WireFailureCode =
  | 'ERR_BAD_REQUEST_LINE'
  | 'ERR_BAD_STATUS_LINE'
  | 'ERR_BAD_METHOD'
  | 'ERR_METHOD_UNKNOWN'
  | 'ERR_BAD_TARGET'
  | 'ERR_VERSION_UNSUPPORTED'
  | 'ERR_REQUEST_LINE_TOO_LONG'
  | 'ERR_FIELDS_TOO_LARGE'
  | 'ERR_BAD_FIELD'
  | 'ERR_BAD_HOST'
  | 'ERR_BAD_CONTENT_LENGTH'
  | 'ERR_BAD_TRANSFER_ENCODING'
  | 'ERR_TRANSFER_CODING_UNKNOWN'
  | 'ERR_AMBIGUOUS_FRAMING'
  | 'ERR_BAD_CHUNK'
  | 'ERR_CHUNK_OVERHEAD'
  | 'ERR_EXPECTATION_UNKNOWN'
  | 'ERR_MESSAGE_INCOMPLETE'
  | 'ERR_RESPONSE_UNEXPECTED'
  | 'ERR_PARSER_CLOSED';

/**
 * Every reason to refuse a message, with the status a client is answered with (RFC 9110 §15.5, §15.6).
 * A refused response is always a 502 towards the client, whatever the reason.
 */
const requestFailures: Readonly<Record<WireFailureCode, readonly [status: number, message: string]>> = {
  ERR_BAD_REQUEST_LINE: [400, 'The request line is malformed'],
  ERR_BAD_STATUS_LINE: [400, 'The status line is malformed'],
  ERR_BAD_METHOD: [400, 'The method is not a token'],
  ERR_METHOD_UNKNOWN: [501, 'The method is not implemented'],
  ERR_BAD_TARGET: [400, 'The request target is malformed'],
  ERR_VERSION_UNSUPPORTED: [505, 'The protocol version is not supported'],
  ERR_REQUEST_LINE_TOO_LONG: [414, 'The request line is too long'],
  ERR_FIELDS_TOO_LARGE: [431, 'The fields are too large or too many'],
  ERR_BAD_FIELD: [400, 'A field line is malformed'],
  ERR_BAD_HOST: [400, 'The Host field is missing, repeated or invalid'],
  ERR_BAD_CONTENT_LENGTH: [400, 'The Content-Length is repeated or invalid'],
  ERR_BAD_TRANSFER_ENCODING: [400, 'The Transfer-Encoding is invalid'],
  ERR_TRANSFER_CODING_UNKNOWN: [501, 'The transfer coding is not implemented'],
  ERR_AMBIGUOUS_FRAMING: [400, 'Content-Length and Transfer-Encoding are both present'],
  ERR_BAD_CHUNK: [400, 'The chunked body is malformed'],
  ERR_CHUNK_OVERHEAD: [400, 'The chunked body has too much beside its data'],
  ERR_EXPECTATION_UNKNOWN: [417, 'The expectation is unknown'],
  ERR_MESSAGE_INCOMPLETE: [400, 'The connection closed before the message was complete'],
  ERR_RESPONSE_UNEXPECTED: [502, 'The backend sent bytes that no request asked for'],
  ERR_PARSER_CLOSED: [500, 'The parser is closed'],
};

/**
 * Why a message was refused. Not an `Error`: nothing is thrown, and a stack trace would cost an attacker's
 * victim more than the attacker. Holds nothing of the message itself, so it can be logged as it is.
 */
export class WireFailure {
  /** Stable name. */
  readonly code: WireFailureCode;
  /** Status to answer the client with: 4xx or 5xx for a request, 502 for a response. */
  readonly status: number;
  /** For logs; may change between versions. */
  readonly message: string;
  /** Who sent the malformed message. */
  readonly source: 'client' | 'backend';
  /** Always `no`: a malformed message is malformed the second time too. */
  readonly retryable: 'no';

  constructor(code: WireFailureCode, source: 'client' | 'backend') {
    const [status, message] = requestFailures[code];
    this.code = code;
    this.status = source === 'client' ? status : 502;
    this.message = message;
    this.source = source;
    this.retryable = 'no';
  }
}
