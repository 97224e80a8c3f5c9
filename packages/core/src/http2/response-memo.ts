import type { FrameWriter, ResponseHead } from '@rp/parser';
import { MAX_KNOWN_BLOCK } from './bounds.ts';
import { writeResponseHead } from './response-fields.ts';

/** Misses in a row after which only every `RARELY`th head is remembered. */
const PATIENCE = 8;
const RARELY = 32;

/**
 * The header block of the last response of a session. Backends answer with the same head for as long as its Date does
 * not change; while the dynamic table stays as it is too, the block is the same, and is not encoded anew.
 */
export class ResponseMemo {
  #text = '';
  #status = 0;
  #framing: ResponseHead['framing'] | undefined = undefined;
  #contentLength = 0;
  #protocol = '';
  #extra = '';
  #via = '';
  #version = -1;
  #block: Buffer | undefined = undefined;
  #misses = 0;

  /** The same as `writeResponseHead`. */
  write(
    writer: FrameWriter,
    streamId: number,
    status: number,
    head: ResponseHead,
    extra: string,
    via: string,
    endStream: boolean,
  ): void {
    const { lines } = head;
    const text = lines?.repeated === true ? lines.text : '';
    const { version } = writer.hpack;
    if (text !== '' && this.#fits(text, version, status, head, extra, via)) {
      this.#misses = 0;
      return writer.headerBlock(streamId, this.#block!, endStream);
    }
    writeResponseHead(writer, streamId, status, head, extra, via, endStream);
    if (text === '' || writer.hpack.version !== version) return;
    if (++this.#misses > PATIENCE && this.#misses % RARELY !== 0) return;
    this.#text = text;
    this.#status = status;
    this.#framing = head.framing;
    this.#contentLength = head.contentLength;
    this.#protocol = head.receivedProtocol;
    this.#extra = extra;
    this.#via = via;
    this.#version = version;
    this.#block = writer.lastBlock(MAX_KNOWN_BLOCK);
  }

  #fits(
    text: string,
    version: number,
    status: number,
    head: ResponseHead,
    extra: string,
    via: string,
  ): boolean {
    return (
      this.#block !== undefined &&
      this.#version === version &&
      this.#status === status &&
      this.#framing === head.framing &&
      this.#contentLength === head.contentLength &&
      this.#protocol === head.receivedProtocol &&
      this.#extra === extra &&
      this.#via === via &&
      this.#text === text
    );
  }
}
