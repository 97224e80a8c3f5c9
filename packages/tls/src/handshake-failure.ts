/** Why a handshake failed, in words that stay the same over versions of Node and OpenSSL. */
export type HandshakeFailure =
  | 'timeout'
  | 'clientGone'
  | 'plainHttp'
  | 'notTls'
  | 'protocolVersion'
  | 'noSharedCipher'
  | 'noSharedGroup'
  | 'noSharedSignature'
  | 'noSharedProtocol'
  | 'unrecognizedName'
  | 'certificateExpired'
  | 'noCertificate'
  | 'clientRefusedCertificate'
  | 'clientAlert'
  | 'clientCertificateMissing'
  | 'clientCertificateInvalid'
  | 'rateLimited'
  | 'other';

/** Every reason, in the order of the counters. New ones are added at the end. */
export const HANDSHAKE_FAILURES: readonly HandshakeFailure[] = Object.freeze([
  'timeout',
  'clientGone',
  'plainHttp',
  'notTls',
  'protocolVersion',
  'noSharedCipher',
  'noSharedGroup',
  'noSharedSignature',
  'noSharedProtocol',
  'unrecognizedName',
  'certificateExpired',
  'noCertificate',
  'clientRefusedCertificate',
  'clientAlert',
  'clientCertificateMissing',
  'clientCertificateInvalid',
  'rateLimited',
  'other',
]);

const BY_CODE: ReadonlyMap<string, HandshakeFailure> = new Map([
  ['ERR_TLS_HANDSHAKE_TIMEOUT', 'timeout'],
  ['ECONNRESET', 'clientGone'],
  ['EPIPE', 'clientGone'],
  ['ECONNABORTED', 'clientGone'],
  ['ETIMEDOUT', 'clientGone'],
  ['ERR_SSL_UNEXPECTED_EOF_WHILE_READING', 'clientGone'],
  ['ERR_SSL_HTTP_REQUEST', 'plainHttp'],
  ['ERR_SSL_HTTPS_PROXY_REQUEST', 'plainHttp'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'notTls'],
  ['ERR_SSL_UNKNOWN_PROTOCOL', 'notTls'],
  ['ERR_SSL_PACKET_LENGTH_TOO_LONG', 'notTls'],
  ['ERR_SSL_UNEXPECTED_MESSAGE', 'notTls'],
  ['ERR_SSL_BAD_RECORD_TYPE', 'notTls'],
  ['ERR_SSL_UNSUPPORTED_PROTOCOL', 'protocolVersion'],
  ['ERR_SSL_VERSION_TOO_LOW', 'protocolVersion'],
  ['ERR_SSL_INAPPROPRIATE_FALLBACK', 'protocolVersion'],
  ['ERR_SSL_NO_SHARED_CIPHER', 'noSharedCipher'],
  ['ERR_SSL_NO_SUITABLE_KEY_SHARE', 'noSharedGroup'],
  ['ERR_SSL_NO_SHARED_GROUP', 'noSharedGroup'],
  ['ERR_SSL_NO_SHARED_GROUPS', 'noSharedGroup'],
  ['ERR_SSL_NO_SUITABLE_GROUPS', 'noSharedGroup'],
  ['ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM', 'noSharedSignature'],
  ['ERR_SSL_NO_SHARED_SIGNATURE_ALGORITHMS', 'noSharedSignature'],
  ['ERR_SSL_NO_APPLICATION_PROTOCOL', 'noSharedProtocol'],
  ['ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE', 'clientCertificateMissing'],
  ['ERR_SSL_CERTIFICATE_VERIFY_FAILED', 'clientCertificateInvalid'],
  ['ERR_SSL_NO_CERTIFICATE_SET', 'noCertificate'],
  ['TLS_NO_CERTIFICATE', 'noCertificate'],
  ['TLS_UNRECOGNIZED_NAME', 'unrecognizedName'],
  ['TLS_CERTIFICATE_EXPIRED', 'certificateExpired'],
  ['TLS_HANDSHAKE_RATE', 'rateLimited'],
]);

const REFUSED =
  /ALERT_(?:UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_(?:UNKNOWN|EXPIRED|REVOKED)|UNSUPPORTED_CERTIFICATE)/;

/** Classifies the error of a `tlsClientError` event by its code; messages are OpenSSL's and change. */
export function handshakeFailure(error: unknown): HandshakeFailure {
  if (!(error instanceof Error) || !('code' in error)) return 'other';
  const code = String(error.code);
  const known = BY_CODE.get(code);
  if (known !== undefined) return known;
  if (REFUSED.test(code)) return 'clientRefusedCertificate';
  return code.startsWith('ERR_SSL_') && code.includes('ALERT') ? 'clientAlert' : 'other';
}
