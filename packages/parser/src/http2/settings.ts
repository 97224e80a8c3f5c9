import {
  ErrorCode,
  MAX_MAX_FRAME_SIZE,
  MAX_WINDOW_SIZE,
  MIN_MAX_FRAME_SIZE,
  SettingId,
} from './constants.ts';
import type { Role } from './constants.ts';

/** Settings of one side (RFC 9113 §6.5.2), with the values that hold before any SETTINGS frame. */
export class Settings {
  /** Octets of the dynamic table that the other side's encoder may use. */
  headerTableSize: number = 4096;
  enablePush: boolean = true;
  /** Streams the other side may have open at a time; Infinity if it was not said. */
  maxConcurrentStreams: number = Infinity;
  /** Octets of flow-control window that new streams have. */
  initialWindowSize: number = 65_535;
  /** Octets of payload that a frame may have. */
  maxFrameSize: number = 16_384;
  /** Octets of a header list that will be accepted (advice); Infinity if it was not said. */
  maxHeaderListSize: number = Infinity;
  /** Extended CONNECT (RFC 8441). */
  enableConnectProtocol: boolean = false;
  /** RFC 9218 §2.1: PRIORITY frames mean nothing to this side. */
  noRfc7540Priorities: boolean = false;

  /**
   * Takes over one entry of a SETTINGS frame. Unknown identifiers are ignored.
   * @param sender which side says so: only a client may say ENABLE_PUSH 1 (RFC 9113 §6.5.2).
   * @returns NO_ERROR, or the code of the connection error that the value is.
   */
  apply(id: number, value: number, sender: Role): number {
    switch (id) {
      case SettingId.HEADER_TABLE_SIZE:
        this.headerTableSize = value;
        break;
      case SettingId.ENABLE_PUSH:
        if (value > 1 || (value === 1 && sender === 'server')) return ErrorCode.PROTOCOL_ERROR;
        this.enablePush = value === 1;
        break;
      case SettingId.MAX_CONCURRENT_STREAMS:
        this.maxConcurrentStreams = value;
        break;
      case SettingId.INITIAL_WINDOW_SIZE:
        if (value > MAX_WINDOW_SIZE) return ErrorCode.FLOW_CONTROL_ERROR;
        this.initialWindowSize = value;
        break;
      case SettingId.MAX_FRAME_SIZE:
        if (value < MIN_MAX_FRAME_SIZE || value > MAX_MAX_FRAME_SIZE) return ErrorCode.PROTOCOL_ERROR;
        this.maxFrameSize = value;
        break;
      case SettingId.MAX_HEADER_LIST_SIZE:
        this.maxHeaderListSize = value;
        break;
      case SettingId.ENABLE_CONNECT_PROTOCOL:
        // RFC 8441 §3: 0 or 1, and never back to 0.
        if (value > 1 || (value === 0 && this.enableConnectProtocol)) return ErrorCode.PROTOCOL_ERROR;
        this.enableConnectProtocol = value === 1;
        break;
      case SettingId.NO_RFC7540_PRIORITIES:
        if (value > 1) return ErrorCode.PROTOCOL_ERROR;
        this.noRfc7540Priorities = value === 1;
        break;
      default:
        break;
    }
    return ErrorCode.NO_ERROR;
  }
}

/** What the peer has told us about itself. */
export class RemoteSettings {
  readonly values: Settings = new Settings();
  /**
   * What the last frame changed INITIAL_WINDOW_SIZE by: the send windows of all streams grow by it, or
   * shrink (RFC 9113 §6.9.2).
   */
  initialWindowDelta: number = 0;
  /**
   * Lowest HEADER_TABLE_SIZE in the last frame, which the encoder must be told before the last one (RFC
   * 7541 §4.2); -1 if it had none.
   */
  lowestHeaderTableSize: number = -1;
  readonly #sender: Role;

  /** @param sender which side the peer is. */
  constructor(sender: Role) {
    this.#sender = sender;
  }

  /**
   * Takes over the payload of a SETTINGS frame, `buffer[start, end)`, in order (RFC 9113 §6.5.3).
   * @returns NO_ERROR, then the frame must be acknowledged; or the code of a connection error.
   */
  receive(buffer: Buffer, start: number, end: number): number {
    const values = this.values;
    const windowBefore = values.initialWindowSize;
    this.lowestHeaderTableSize = -1;
    for (let at = start; at + 6 <= end; at += 6) {
      const id = buffer.readUInt16BE(at);
      const value = buffer.readUInt32BE(at + 2);
      const error = values.apply(id, value, this.#sender);
      if (error !== ErrorCode.NO_ERROR) return error;
      if (id === SettingId.HEADER_TABLE_SIZE) {
        const lowest = this.lowestHeaderTableSize;
        this.lowestHeaderTableSize = lowest < 0 ? value : Math.min(lowest, value);
      }
    }
    this.initialWindowDelta = values.initialWindowSize - windowBefore;
    return ErrorCode.NO_ERROR;
  }
}

/**
 * What we have told the peer. Our settings bind the peer only once it has acknowledged them (RFC 9113
 * §6.5.3), so `values` are those in force, and frames under way wait in a queue.
 */
export class LocalSettings {
  /** The values that the peer has acknowledged. */
  readonly values: Settings = new Settings();
  readonly #role: Role;
  readonly #unacknowledged: (readonly number[])[] = [];

  /** @param role which side we are. */
  constructor(role: Role) {
    this.#role = role;
  }

  /** SETTINGS frames that the peer has not acknowledged. Time without an answer: SETTINGS_TIMEOUT. */
  get unacknowledged(): number {
    return this.#unacknowledged.length;
  }

  /** Notes a frame that is being sent: identifier, value, identifier, value, … as for `FrameWriter.settings`. */
  sent(entries: readonly number[]): void {
    this.#unacknowledged.push(entries);
  }

  /**
   * An acknowledgement came: the oldest frame is in force now.
   * @returns NO_ERROR; PROTOCOL_ERROR if there was nothing to acknowledge; the code of the value that is
   *   wrong if we sent one.
   */
  acknowledged(): number {
    const entries = this.#unacknowledged.shift();
    if (entries === undefined) return ErrorCode.PROTOCOL_ERROR;
    for (let index = 0; index + 1 < entries.length; index += 2) {
      const error = this.values.apply(entries[index] as number, entries[index + 1] as number, this.#role);
      if (error !== ErrorCode.NO_ERROR) return error;
    }
    return ErrorCode.NO_ERROR;
  }
}
