/** What `FrameReader.next` found. */
export const FrameEvent = {
  /** Everything that was fed is used up; feed more. */
  none: 0,
  /** A piece of a DATA payload. */
  data: 1,
  /** A complete header block (HEADERS with all its CONTINUATIONs). */
  headers: 2,
  /** A PRIORITY frame: nothing to do but to count it (RFC 9113 §5.3.2). */
  priority: 3,
  rstStream: 4,
  settings: 5,
  settingsAck: 6,
  ping: 7,
  pingAck: 8,
  goaway: 9,
  windowUpdate: 10,
  /** A frame of a type we do not know (RFC 9113 §5.5): nothing to do but to count it. */
  unknown: 11,
  /** Something is wrong; see `FrameReader.error`. Of connection scope: no event will follow it. */
  error: 12,
} as const;

/** One of the events of a `FrameReader`. */
export type FrameEvent = (typeof FrameEvent)[keyof typeof FrameEvent];

/** Options of a `FrameReader`. */
export interface FrameReaderOptions {
  /** `server`: bytes come from a client and begin with the preface (RFC 9113 §3.4). */
  readonly role: 'client' | 'server';
  /** SETTINGS_MAX_FRAME_SIZE that the peer was told, in octets. Default 16384, up to 16777215. */
  readonly maxFrameSize?: number;
  /**
   * Octets a header block may have as it is on the wire. Default 65536. More is ENHANCE_YOUR_CALM and ends
   * the connection. Should be well over the limit of the decoded list, for lists between the two can be
   * answered with 431. Hazard: this is what one connection can make us hold (CONTINUATION flood).
   */
  readonly maxHeaderBlockSize?: number;
  /** CONTINUATION frames that may follow a HEADERS frame. Default 16. Hazard: CVE-2024-27316 and kin. */
  readonly maxContinuations?: number;
  /** Entries one SETTINGS frame may have. Default 32. */
  readonly maxSettings?: number;
}
