/** Octets below which a window that is used up was too small to be meant well. */
const DRIBBLE = 128;

/**
 * Frames of DATA that may well be answered by WINDOW_UPDATEs. A peer that opens its windows octet by octet gets a frame
 * for each (data dribble, CVE-2019-9511): those explain nothing, so that the flood of its updates shows.
 *
 * @param octets that were just sent
 * @param left of the window that is smaller now: the stream's, or the connection's
 */
export function explainedUpdates(octets: number, left: number, maxFrameSize: number): number {
  return left === 0 && octets < DRIBBLE ? 0 : Math.ceil(octets / maxFrameSize);
}
