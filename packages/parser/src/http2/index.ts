export * from './constants.ts';
export { errorName, Http2Error } from './http2-error.ts';

export { classifyFields, FieldKind, isConnectionSpecific } from './field-kind.ts';
export { HpackDecoder } from './hpack-decoder.ts';
export type { HpackResult } from './hpack-decoder.ts';
export { HpackEncoder, MAX_FIELD_OVERHEAD, MAX_SIZE_UPDATES, maxBlockSize } from './hpack-encoder.ts';

export { FrameEvent } from './frame-event.ts';
export type { FrameReaderOptions } from './frame-event.ts';
export { FrameFields } from './frame-fields.ts';
export { FrameReader } from './frame-reader.ts';
export { FrameWriter } from './frame-writer.ts';
export { sharedSlabs, SlabPool } from './slab.ts';

export { ReceiveWindow, sendable, SendWindow } from './flow-window.ts';
export { LocalSettings, RemoteSettings, Settings } from './settings.ts';
export { StreamIds } from './stream-ids.ts';
export {
  afterReceive,
  afterSend,
  canReceive,
  canSend,
  CONNECTION_ERROR,
  IGNORE,
  isClosed,
  STREAM_ERROR,
  StreamState,
  transitionError,
} from './stream-state.ts';
export type { Transition } from './stream-state.ts';

export {
  checkRequestFields,
  checkResponseFields,
  checkTrailerFields,
  crumbsJoined,
  RequestFields,
  ResponseFields,
} from './message-fields.ts';
export { afterData, afterHeaders, fitsContentLength } from './message-phase.ts';
export type { MessagePhase } from './message-phase.ts';
export { FloodGuard, FloodKind, floodLimits } from './flood-guard.ts';
export type { FloodLimits } from './flood-guard.ts';
