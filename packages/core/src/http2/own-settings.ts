import { SettingId } from '@rp/parser';
import { MAX_STREAMS, STREAM_WINDOW } from './bounds.ts';

/** What we tell every client about ourselves, as `FrameWriter.settings` takes it. */
export function ownSettings(maxHeaderListSize: number): readonly number[] {
  return [
    SettingId.MAX_CONCURRENT_STREAMS,
    MAX_STREAMS,
    SettingId.INITIAL_WINDOW_SIZE,
    STREAM_WINDOW,
    SettingId.MAX_HEADER_LIST_SIZE,
    maxHeaderListSize,
    SettingId.ENABLE_CONNECT_PROTOCOL,
    1,
    SettingId.NO_RFC7540_PRIORITIES,
    1,
  ];
}
