import { ErrorCode } from './constants.ts';

const NAMES: readonly string[] = Object.keys(ErrorCode);

/** The name of an error code of RFC 9113 §7 for logs; codes nobody has registered give `ERROR_0x…`. */
export function errorName(code: number): string {
  return NAMES[code] ?? `ERROR_0x${code.toString(16)}`;
}

/**
 * What is wrong with something the peer sent.
 *
 * A plain value, not an `Error`: it is returned, never thrown, and a peer that floods us with mistakes
 * must not make us collect a stack trace for each of them.
 */
export class Http2Error {
  /** Error code (RFC 9113 §7) to send in RST_STREAM or GOAWAY. */
  readonly code: number;
  /** `stream`: reset the stream and go on. `connection`: GOAWAY and close (RFC 9113 §5.4). */
  readonly scope: 'stream' | 'connection';
  /** The stream it happened on; 0 for the connection itself. */
  readonly streamId: number;
  /** For logs and GOAWAY debug data; constant text, holds nothing the peer sent. */
  readonly message: string;

  constructor(code: number, scope: 'stream' | 'connection', streamId: number, message: string) {
    this.code = code;
    this.scope = scope;
    this.streamId = streamId;
    this.message = message;
  }

  /** Name of the error code, stable: `PROTOCOL_ERROR`, `FLOW_CONTROL_ERROR`, … */
  get name(): string {
    return errorName(this.code);
  }
}
