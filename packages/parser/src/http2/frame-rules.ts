import { ErrorCode, FrameType } from './constants.ts';

/**
 * What a frame header alone tells to be wrong (RFC 9113 §4.1, §4.2, §6). Results are `OK`, or an error
 * code, or an error code with `STREAM_SCOPE`.
 */
export const OK = 0;

/** Added to an error code: only the stream is in error, the frame is skipped. */
export const STREAM_SCOPE = 0x100;

const { PROTOCOL_ERROR, FRAME_SIZE_ERROR } = ErrorCode;

/** Octets in front of the header block fragment or the data of a frame with these flags. */
export function prefixSize(type: number, flags: number): number {
  const padLength = (flags & 0x8) === 0 ? 0 : 1;
  return type === FrameType.HEADERS && (flags & 0x20) !== 0 ? padLength + 5 : padLength;
}

/** Checks length, stream identifier and flags of a frame header against the rules of its type. */
export function frameHeaderError(type: number, flags: number, streamId: number, length: number): number {
  switch (type) {
    case FrameType.DATA:
    case FrameType.HEADERS:
      if (streamId === 0) return PROTOCOL_ERROR;
      // No room for the pad length, or for the priority: §6.1 leaves no other code than the size's.
      return length < prefixSize(type, flags) ? FRAME_SIZE_ERROR : OK;
    case FrameType.PRIORITY:
      if (streamId === 0) return PROTOCOL_ERROR;
      return length === 5 ? OK : FRAME_SIZE_ERROR | STREAM_SCOPE;
    case FrameType.RST_STREAM:
      if (streamId === 0) return PROTOCOL_ERROR;
      return length === 4 ? OK : FRAME_SIZE_ERROR;
    case FrameType.SETTINGS:
      if (streamId !== 0) return PROTOCOL_ERROR;
      return length % 6 !== 0 || ((flags & 0x1) !== 0 && length !== 0) ? FRAME_SIZE_ERROR : OK;
    case FrameType.PUSH_PROMISE:
      // A client must not send one, and as a client we have set ENABLE_PUSH to 0 (§6.6, §8.4).
      return PROTOCOL_ERROR;
    case FrameType.PING:
      if (streamId !== 0) return PROTOCOL_ERROR;
      return length === 8 ? OK : FRAME_SIZE_ERROR;
    case FrameType.GOAWAY:
      if (streamId !== 0) return PROTOCOL_ERROR;
      return length < 8 ? FRAME_SIZE_ERROR : OK;
    case FrameType.WINDOW_UPDATE:
      return length === 4 ? OK : FRAME_SIZE_ERROR;
    case FrameType.CONTINUATION:
      // One that continues something never comes here (§6.10).
      return PROTOCOL_ERROR;
    default:
      return OK;
  }
}
