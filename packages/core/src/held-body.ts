import { SingleRange, type BodyView } from './downstream.ts';
import { ownedChunk, type ChunkSource } from './read-buffers.ts';

interface BodySink {
  sendBody(chunk: Buffer, view: BodyView, source: ChunkSource): boolean;
}

/**
 * What was read of a request body while there was no connection for it. Bounded: the client is paused after the
 * first chunk, so this holds what one or two reads bring.
 */
export class HeldBody {
  readonly #chunks: Buffer[] = [];
  trailers: string[] | undefined = undefined;

  add(chunk: Buffer, view: BodyView): void {
    const copy = Buffer.allocUnsafe(view.bodyLength);
    view.copyBody(chunk, copy, 0);
    this.#chunks.push(copy);
  }

  /** False: `sink` has enough for now. */
  sendTo(sink: BodySink): boolean {
    const range = new SingleRange();
    let more = true;
    for (const chunk of this.#chunks) more = sink.sendBody(chunk, range.of(0, chunk.length), ownedChunk);
    return more;
  }
}
