import { CLIENT_PREFACE } from './constants.ts';

/** Payload length in a frame header (§4.1). */
export function lengthAt(source: Uint8Array, at: number): number {
  return ((source[at] as number) << 16) | ((source[at + 1] as number) << 8) | (source[at + 2] as number);
}

/** Stream identifier without its reserved bit (§4.1). */
export function streamIdAt(source: Uint8Array, at: number): number {
  return (
    (((source[at] as number) & 0x7f) << 24) |
    ((source[at + 1] as number) << 16) |
    ((source[at + 2] as number) << 8) |
    (source[at + 3] as number)
  );
}

/** Whether `count` octets of the chunk go on where `seen` octets of the client's preface ended (§3.4). */
export function isPreface(chunk: Uint8Array, start: number, count: number, seen: number): boolean {
  for (let index = 0; index < count; index++) {
    if (chunk[start + index] !== CLIENT_PREFACE.charCodeAt(seen + index)) return false;
  }
  return true;
}
