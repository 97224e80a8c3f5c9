import { ErrorCode, Flag, FrameType } from './constants.ts';
import { FrameEvent } from './frame-event.ts';
import { Http2Error } from './http2-error.ts';

const EMPTY: Buffer = Buffer.alloc(0);

/**
 * What a `FrameReader` tells about the event that `next` returned last. Read only; fields that do not
 * belong to the event keep old values. `buffer[start, end)` is valid until the next call of `next`.
 */
export class FrameFields {
  /** Flags of the frame (`Flag`). */
  flags: number = 0;
  /** Stream of the frame; 0 is the connection. The reserved bit is cleared. */
  streamId: number = 0;
  /** Where the payload of the event is: data, header block, settings, ping's 8 octets, goaway's debug data. */
  buffer: Buffer = EMPTY;
  start: number = 0;
  end: number = 0;
  /** `data`, `headers`: this event ends the peer's side of the stream. */
  endStream: boolean = false;
  /**
   * `data`: octets to take from the receive windows of connection and stream (RFC 9113 §6.9.1). The first
   * event of a frame carries the whole payload with padding, later ones 0.
   */
  flowLength: number = 0;
  /** `data`: how many of `flowLength` are padding, to be given back at once: nobody will consume them. */
  paddingLength: number = 0;
  /** `headers`, `priority`: the frame makes the stream depend on itself: stream error (RFC 7540 §5.3.1). */
  selfDependent: boolean = false;
  /** `rstStream`, `goaway`: the error code the peer gave; may be one that we do not know. */
  errorCode: number = 0;
  /** `goaway`: the last stream the peer has worked on or might yet. */
  lastStreamId: number = 0;
  /** `windowUpdate`: octets, 1 to 2^31-1. */
  increment: number = 0;
  /** `unknown`: type of the frame. */
  frameType: number = 0;
  /** `error`: what is wrong; null as long as nothing was. */
  error: Http2Error | null = null;

  protected connectionError(code: number, message: string): FrameEvent {
    this.error = new Http2Error(code, 'connection', 0, message);
    return FrameEvent.error;
  }

  protected streamError(code: number, message: string): FrameEvent {
    this.error = new Http2Error(code, 'stream', this.streamId, message);
    return FrameEvent.error;
  }

  /** Reads the payload of a frame of fixed shape, `source` from `at` on, into the fields. */
  protected control(type: number, source: Buffer, at: number): FrameEvent {
    switch (type) {
      case FrameType.RST_STREAM:
        this.errorCode = source.readUInt32BE(at);
        return FrameEvent.rstStream;
      case FrameType.SETTINGS:
        return (this.flags & Flag.ACK) === 0 ? FrameEvent.settings : FrameEvent.settingsAck;
      case FrameType.PING:
        return (this.flags & Flag.ACK) === 0 ? FrameEvent.ping : FrameEvent.pingAck;
      case FrameType.GOAWAY:
        this.lastStreamId = source.readUInt32BE(at) & 0x7fffffff;
        this.errorCode = source.readUInt32BE(at + 4);
        this.start = at + 8;
        return FrameEvent.goaway;
      case FrameType.WINDOW_UPDATE:
        this.increment = source.readUInt32BE(at) & 0x7fffffff;
        if (this.increment !== 0) return FrameEvent.windowUpdate;
        // RFC 9113 §6.9: on a stream only the stream is in error.
        return this.streamId === 0
          ? this.connectionError(ErrorCode.PROTOCOL_ERROR, 'window increment of 0')
          : this.streamError(ErrorCode.PROTOCOL_ERROR, 'window increment of 0');
      default:
        this.selfDependent = (source.readUInt32BE(at) & 0x7fffffff) === this.streamId;
        return this.selfDependent
          ? this.streamError(ErrorCode.PROTOCOL_ERROR, 'stream depends on itself')
          : FrameEvent.priority;
    }
  }
}
