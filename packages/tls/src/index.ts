export { CertificateError, TlsError, describeProblem } from './errors.ts';
export type {
  CertificateProblem,
  CertificateProblemCode,
  ErrorSource,
  Severity,
  TlsErrorCode,
} from './errors.ts';
export { Certificate } from './certificate.ts';
export type { CertificateInfo, CertificateMaterial, MaterialSource } from './certificate.ts';
export { loadCertificate, loadCertificates } from './load-certificate.ts';
export type { CertificateSource, LoadOptions, LoadedCertificates } from './load-certificate.ts';
export { CertificateStore } from './certificate-store.ts';
export type { CertificateChoice, CertificateStoreOptions, Selection } from './certificate-store.ts';
export { TlsServerBinding } from './server-binding.ts';
export type { TlsServerBindingOptions } from './server-binding.ts';
export { TicketKeySet, TicketKeys, TICKET_KEY_BYTES } from './ticket-keys.ts';
export type { TicketKeysMessage, TicketKeysOptions } from './ticket-keys.ts';
export { TicketInstaller } from './ticket-installer.ts';
export type { TicketMode } from './ticket-installer.ts';
export { DEFAULT_GROUPS, STRONG_CIPHERS, TLS12_CIPHERS, TLS13_CIPHERS, secureOptions } from './policy.ts';
export type { SecureOptions, TlsPolicy, TlsProfile, TlsVersion } from './policy.ts';
export { storeFromMessage, storeToMessage } from './store-message.ts';
export type { CertificateRecord, StoreMessage, StoreMessageOptions } from './store-message.ts';
export { CertificateReloader } from './certificate-reloader.ts';
export type { CertificateReloaderOptions, ReloadResult } from './certificate-reloader.ts';
export { realTimers, watchDirectory } from './file-watch.ts';
export type { DirectoryWatcher, Timers } from './file-watch.ts';
export { ExpiryWatch, daysLeft } from './expiry-watch.ts';
export type { ExpiryNotice, ExpiryWatchOptions } from './expiry-watch.ts';
export { clientAuthOptions, sessionIdContext } from './client-auth.ts';
export type { ClientAuth, ClientAuthMode, ClientAuthOptions } from './client-auth.ts';
export {
  IDENTITY_FIELDS,
  MAX_IDENTITY_TEXT,
  clientIdentity,
  fieldText,
  identityFields,
  identityOf,
  isIdentityField,
} from './client-identity.ts';
export type { ClientIdentity } from './client-identity.ts';
export { hstsApplies, hstsValue, httpsRedirect } from './https-redirect.ts';
export type { HstsOptions, RedirectAnswer } from './https-redirect.ts';
export { HANDSHAKE_FAILURES, handshakeFailure } from './handshake-failure.ts';
export type { HandshakeFailure } from './handshake-failure.ts';
export { HANDSHAKE_COUNTERS, HANDSHAKE_COUNTER_BYTES, HandshakeCounters } from './handshake-counters.ts';
export { HandshakeLimiter, guardHandshakes } from './handshake-guard.ts';
export type { HandshakeGuardOptions, HandshakeLimiterOptions } from './handshake-guard.ts';
export { normalizeServerName } from './names.ts';
export type { KeyType } from './x509-facts.ts';
