import { RepeatedRequest, type RequestHead } from '@rp/parser';
import type { Limits } from '../settings.ts';
import { MAX_KNOWN_BLOCK } from './bounds.ts';

/**
 * The last request of a session. Clients that poll or call the same method again send the same few octets for it, and
 * while the dynamic table stays as it is, they mean the same: what comes a third time is neither decoded nor checked.
 * Who never repeats a request pays for a comparison of numbers.
 */
export class RequestMemo {
  #block: Buffer | undefined = undefined;
  #version = -1;
  #endStream = false;
  #limits: Limits | undefined = undefined;
  #head: RepeatedRequest | undefined = undefined;

  /**
   * The request that `buffer[start..end)` is, if it is known.
   * @param version of the decoder's table
   */
  recall(
    buffer: Buffer,
    start: number,
    end: number,
    version: number,
    endStream: boolean,
    limits: Limits,
  ): RequestHead | undefined {
    if (this.#head === undefined || this.#limits !== limits) return undefined;
    return this.#fits(buffer, start, end, version, endStream) ? this.#head.copy() : undefined;
  }

  /** `head`: what the block became, and nothing is wrong with it; its decoding has not changed the table. */
  saw(
    buffer: Buffer,
    start: number,
    end: number,
    version: number,
    endStream: boolean,
    limits: Limits,
    head: RequestHead,
  ): void {
    this.#head = undefined;
    if (end - start > MAX_KNOWN_BLOCK) return;
    // Only what came twice is worth the work.
    if (this.#fits(buffer, start, end, version, endStream)) this.#head = new RepeatedRequest(head);
    else this.#block = Buffer.from(buffer.subarray(start, end));
    this.#version = version;
    this.#endStream = endStream;
    this.#limits = limits;
  }

  #fits(buffer: Buffer, start: number, end: number, version: number, endStream: boolean): boolean {
    if (this.#version !== version || this.#endStream !== endStream) return false;
    const block = this.#block;
    return block !== undefined && block.length === end - start && block.compare(buffer, start, end) === 0;
  }
}
