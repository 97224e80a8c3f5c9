import { FrameType } from '@rp/parser';
import type { H2Client } from './h2-client.ts';
import { startH2, type H2Pair } from './h2-proxy.ts';

/** Payloads, octet by octet. */
export const octets = (...values: number[]): Uint8Array => Uint8Array.from(values);
export const word = (value: number): Uint8Array => octets(value >>> 24, value >>> 16, value >>> 8, value);
export const join = (...parts: readonly Uint8Array[]): Uint8Array => Buffer.concat(parts);
export const text = (value: string): Uint8Array => Buffer.from(value, 'latin1');

export const END_STREAM = 1;
export const END_HEADERS = 4;
export const PADDED = 8;
export const HAS_PRIORITY = 0x20;
/** A block at its end, and a request at its end. */
export const WHOLE: number = END_STREAM | END_HEADERS;

/** GET or POST, http, /, and the authority `a`, from the static table and one literal. */
export const block = (method = 0x82): Uint8Array => octets(method, 0x86, 0x84, 0x01, 1, 0x61);

/** Stream 1 is open, and waits for more of its POST. */
export const open = (c: H2Client): void => c.frame(FrameType.HEADERS, END_HEADERS, 1, block(0x83));
/** Stream 1 has its whole request. */
export const whole = (c: H2Client): void => c.frame(FrameType.HEADERS, WHOLE, 1, block());
/** The block of stream 1 is not at its end. */
export const begun = (c: H2Client): void => c.frame(FrameType.HEADERS, END_STREAM, 1, octets(0x82));

/** A backend that keeps requests waiting, so that their streams stay half-closed. */
export const waiting = (): Promise<H2Pair> => startH2({ onHead: () => {} });

/** What a client does. */
export type Act = (client: H2Client) => void;
