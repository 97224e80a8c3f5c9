import type { WireFailureCode } from './failure.ts';
import type { HeadBuffer } from './head-buffer.ts';

/** Bounds on what one message may take before it is refused. At a limit passes, one over is refused. */
export interface WireLimits {
  /** Bytes of the request line without its CRLF; over it 414. Default 8192. */
  readonly requestLine: number;
  /**
   * Bytes of all field lines with their CRLFs (the empty line excluded), in responses with the status line;
   * over it 431 or 502. Trailers have the same bound of their own. Default 32768.
   */
  readonly headerBytes: number;
  /** Number of field lines, 1 to 5000; over it 431 or 502. Trailers have the same bound of their own. Default 100. */
  readonly headerCount: number;
  /** Bytes of name and value of one field; over it 431 or 502. Default: `headerBytes`. */
  readonly fieldBytes: number;
  /**
   * Bytes of a chunked message's chunk extensions and superfluous leading zeros of chunk sizes, in total
   * (RFC 9112 §7.1.1: a recipient ought to limit them); over it 400 or 502. Default 16384.
   */
  readonly chunkOverhead: number;
}

const largestCount = 5000;

/** Fills in the defaults. @throws RangeError for a limit that is no whole number or out of its range. */
export function resolveLimits(limits: Partial<WireLimits> | undefined): WireLimits {
  const headerBytes = limits?.headerBytes ?? 32_768;
  const resolved: WireLimits = {
    requestLine: limits?.requestLine ?? 8192,
    headerBytes,
    headerCount: limits?.headerCount ?? 100,
    fieldBytes: limits?.fieldBytes ?? headerBytes,
    chunkOverhead: limits?.chunkOverhead ?? 16_384,
  };
  for (const [name, value] of Object.entries(resolved)) {
    const most = name === 'headerCount' ? largestCount : 2 ** 28;
    const least = name === 'chunkOverhead' ? 0 : 1;
    if (!Number.isInteger(value) || value < least || value > most) {
      throw new RangeError(`${name} must be a whole number from ${least} to ${most}, not ${String(value)}`);
    }
  }
  return resolved;
}

/** Which limit on fields a head, or trailers, in pieces exceed; `bytes` is how many the fields take so far. */
export function fieldExcess(
  limits: WireLimits,
  head: HeadBuffer,
  bytes: number,
): WireFailureCode | undefined {
  const { headerBytes, headerCount, fieldBytes } = limits;
  const tooLarge =
    bytes > headerBytes ||
    head.values > headerCount ||
    (fieldBytes < headerBytes && head.longestField() > fieldBytes);
  return tooLarge ? 'ERR_FIELDS_TOO_LARGE' : undefined;
}
