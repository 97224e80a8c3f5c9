/**
 * Names and numbers of RFC 9113. Plain objects instead of enums, so that sources run without a compiler
 * and the values inline into comparisons.
 */

/** Error codes (RFC 9113 §7), carried by RST_STREAM and GOAWAY. */
export const ErrorCode = {
  NO_ERROR: 0x0,
  PROTOCOL_ERROR: 0x1,
  INTERNAL_ERROR: 0x2,
  FLOW_CONTROL_ERROR: 0x3,
  SETTINGS_TIMEOUT: 0x4,
  STREAM_CLOSED: 0x5,
  FRAME_SIZE_ERROR: 0x6,
  REFUSED_STREAM: 0x7,
  CANCEL: 0x8,
  COMPRESSION_ERROR: 0x9,
  CONNECT_ERROR: 0xa,
  ENHANCE_YOUR_CALM: 0xb,
  INADEQUATE_SECURITY: 0xc,
  HTTP_1_1_REQUIRED: 0xd,
} as const;

/** One of the error codes of RFC 9113 §7. A peer may send others: they travel as plain numbers. */
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

/** Frame types (RFC 9113 §6, RFC 9218 §7.1). Other types are legal and ignored (§5.5). */
export const FrameType = {
  DATA: 0x0,
  HEADERS: 0x1,
  PRIORITY: 0x2,
  RST_STREAM: 0x3,
  SETTINGS: 0x4,
  PUSH_PROMISE: 0x5,
  PING: 0x6,
  GOAWAY: 0x7,
  WINDOW_UPDATE: 0x8,
  CONTINUATION: 0x9,
  PRIORITY_UPDATE: 0x10,
} as const;

/** One of the frame types of RFC 9113 §6. */
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

/** Frame flags (RFC 9113 §6). `ACK` and `END_STREAM` share a bit: the frame type tells them apart. */
export const Flag = {
  NONE: 0x0,
  END_STREAM: 0x1,
  ACK: 0x1,
  END_HEADERS: 0x4,
  PADDED: 0x8,
  PRIORITY: 0x20,
} as const;

/** Identifiers of settings (RFC 9113 §6.5.2, RFC 8441 §3, RFC 9218 §2.1). Others are ignored. */
export const SettingId = {
  HEADER_TABLE_SIZE: 0x1,
  ENABLE_PUSH: 0x2,
  MAX_CONCURRENT_STREAMS: 0x3,
  INITIAL_WINDOW_SIZE: 0x4,
  MAX_FRAME_SIZE: 0x5,
  MAX_HEADER_LIST_SIZE: 0x6,
  ENABLE_CONNECT_PROTOCOL: 0x8,
  NO_RFC7540_PRIORITIES: 0x9,
} as const;

/** One of the identifiers of settings. */
export type SettingId = (typeof SettingId)[keyof typeof SettingId];

/** Which end of the connection a piece of code speaks for. */
export type Role = 'client' | 'server';

/** Length of a frame header in octets (RFC 9113 §4.1). */
export const FRAME_HEADER_SIZE = 9;

/** Smallest and initial SETTINGS_MAX_FRAME_SIZE in octets (RFC 9113 §6.5.2). */
export const MIN_MAX_FRAME_SIZE = 16_384;

/** Largest SETTINGS_MAX_FRAME_SIZE in octets (RFC 9113 §6.5.2). */
export const MAX_MAX_FRAME_SIZE = 16_777_215;

/** Initial flow-control window of connection and streams in octets (RFC 9113 §6.9.2). */
export const INITIAL_WINDOW_SIZE = 65_535;

/** Largest flow-control window in octets (RFC 9113 §6.9.1). */
export const MAX_WINDOW_SIZE = 2_147_483_647;

/** Largest stream identifier (RFC 9113 §5.1.1). */
export const MAX_STREAM_ID = 2_147_483_647;

/** Initial SETTINGS_HEADER_TABLE_SIZE in octets (RFC 9113 §6.5.2). */
export const INITIAL_HEADER_TABLE_SIZE = 4096;

/** What a client sends first (RFC 9113 §3.4): 24 octets, before its SETTINGS. */
export const CLIENT_PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
