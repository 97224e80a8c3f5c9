import { checkRequestFields, FrameEvent, FrameReader, FrameWriter, HpackDecoder } from '@rp/parser';

const reader = new FrameReader({ role: 'server' });
const decoder = new HpackDecoder();
const writer = new FrameWriter();
writer.settings([]);

export function answer(chunk: Buffer): Buffer[] {
  reader.feed(chunk, 0, chunk.length);
  for (let event = reader.next(); event !== FrameEvent.none; event = reader.next()) {
    if (event === FrameEvent.settings) writer.settingsAck();
    if (event === FrameEvent.error) writer.goaway(0, reader.error?.code ?? 0);
    if (event !== FrameEvent.headers) continue;
    if (decoder.decode(reader.buffer, reader.start, reader.end) !== 'ok') continue;
    const { malformed } = checkRequestFields(decoder.fields, decoder.kinds);
    writer.headers(reader.streamId, [':status', malformed === '' ? '204' : '400'], true);
  }
  return writer.take(); // for one write; call writer.recycle() when the socket has sent it
}
