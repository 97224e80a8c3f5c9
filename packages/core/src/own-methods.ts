import { FieldId, fieldValue, parseContentLength, type RequestHead } from '@rp/parser';
import { allowedMethods, type LocalAnswer } from './answers.ts';
import { ProxyFailure } from './failure.ts';

/** What becomes of a request that a proxy answers itself because of its method; undefined if it goes on. */
export function ownAnswer(request: RequestHead): LocalAnswer | ProxyFailure | undefined {
  switch (request.method) {
    case 'TRACE':
      return new ProxyFailure('METHOD_NOT_ALLOWED', 'TRACE is not forwarded');
    case 'CONNECT':
      return new ProxyFailure('NOT_IMPLEMENTED', 'CONNECT is not served');
    case 'OPTIONS':
      return isLastRecipient(request) ? { status: 200, fields: ['Allow', allowedMethods] } : undefined;
    default:
      return undefined;
  }
}

/** RFC 9110 §7.6.2: at zero it is not forwarded. */
function isLastRecipient(request: RequestHead): boolean {
  const left = fieldValue(request, FieldId.maxForwards);
  return left !== undefined && parseContentLength(left) === 0;
}
