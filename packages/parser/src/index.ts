export { BodyFraming, ParserEvent } from './http1/events.ts';
export { WireFailure, type WireFailureCode } from './http1/failure.ts';
export type { WireLimits } from './http1/limits.ts';
export { FieldId, fieldId, isHopByHop, isNeverForwarded } from './http1/field-id.ts';
export {
  fieldValue,
  fieldValues,
  joinedValue,
  RequestHead,
  ResponseHead,
  type FieldSource,
  MessageHead,
} from './http1/heads.ts';
export { RepeatedRequest } from './http1/head-memo.ts';
export { appendField, removeField, setField } from './http1/edit-fields.ts';
export { MessageParser } from './http1/message-parser.ts';
export { RequestParser } from './http1/request-parser.ts';
export { ResponseParser } from './http1/response-parser.ts';
export { liveParsers } from './http1/llhttp.ts';
export {
  parseContentLength,
  requestFraming,
  responseFraming,
  type FramingDecision,
} from './http1/framing.ts';
export { hasPort, isAuthority } from './http1/host.ts';
export { classifyTarget, isCleanTarget, TargetForm, targetAuthority, targetPath } from './http1/target.ts';
export { connectionOptions, upgradeProtocols } from './http1/connection.ts';
export { checkedField, isFieldName, isFieldValue, isReasonPhrase } from './http1/field-syntax.ts';
export {
  ForwardingTail,
  forwardRequestHead,
  keptRequestId,
  type ForwardRequest,
  type RequestIdPolicy,
} from './http1/forward-request.ts';
export { forwardResponseHead, type ResponseBodyAs } from './http1/forward-response.ts';
export { allowedTrailer, chunkHead, encodeTrailers } from './http1/forward-body.ts';

export * from './http2/index.ts';
