/** Streams that a client may have open at a time. A slot is free again at the end of the turn in which its work ended. */
export const MAX_STREAMS = 128;

/** Octets that a client may send on one stream before we give some back: what a slow backend can make us hold. */
export const STREAM_WINDOW = 262_144;

/** The same for all streams of a connection together. */
export const CONNECTION_WINDOW = 1_048_576;

/**
 * Octets of streams with slow backends that do not count against the connection's window, so that they do not stop
 * its other streams. What they hold beyond this does count.
 */
export const MAX_WITHHELD: number = 4 * 1_048_576;

/** Octets of output above which bodies wait in their streams, and their backends are not read. */
export const HIGH_WATER = 262_144;

/** Octets of output, frames without flow control included, above which the client is not read (9113 §10.5). */
export const MAX_OUTPUT = 1_048_576;

/** Octets that one stream sends before it is the next one's turn. */
export const QUANTUM = 16_384;

/** Milliseconds for a client to acknowledge our SETTINGS (RFC 9113 §6.5.3). */
export const SETTINGS_TIMEOUT = 10_000;

/** Octets of a header block on the wire, as a multiple of the limit of the decoded list. */
export const BLOCK_FACTOR = 2;

/** Octets of a header block that a session remembers, in each direction. */
export const MAX_KNOWN_BLOCK = 512;

/** Streams that are kept for reuse by each listener. */
export const MAX_SPARE_STREAMS = 1_024;
