/** What {@link MessageParser.execute} stopped at. */
export const ParserEvent = {
  /** Everything that was given is consumed; more bytes are needed. */
  needMore: 0,
  /** The head is complete: see `head`. */
  head: 1,
  /** Body bytes: see `bodyRanges` and its companions. */
  body: 2,
  /** The message is complete. The parser is ready for the next one. */
  end: 3,
  /** The message is refused: see `failure`. The parser stays failed. */
  failed: 4,
} as const;
export type ParserEvent = 0 | 1 | 2 | 3 | 4;

/** How the end of a message body is found (RFC 9112 §6.3). */
export const BodyFraming = {
  /** There is no body. */
  none: 0,
  /** `Content-Length` bytes, which may be 0. */
  length: 1,
  /** `Transfer-Encoding: chunked`. */
  chunked: 2,
  /** Until the connection closes; responses only. */
  close: 3,
} as const;
export type BodyFraming = 0 | 1 | 2 | 3;
