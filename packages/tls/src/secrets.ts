/**
 * Zero bytes in front of secrets in buffers that travel between threads. `util.inspect` shows the first hundred
 * bytes of an ArrayBuffer at most, so that a message that is logged by mistake shows zeros.
 */
export const PADDING = 128;
