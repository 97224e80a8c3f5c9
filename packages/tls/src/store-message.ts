import { Certificate, type CertificateInfo, type CertificateMaterial } from './certificate.ts';
import { CertificateStore } from './certificate-store.ts';
import { TlsError } from './errors.ts';
import { PADDING } from './secrets.ts';

/** One certificate of a {@link StoreMessage}: public facts, and where its PEM texts are in the shared memory. */
export interface CertificateRecord {
  readonly info: CertificateInfo;
  readonly offset: number;
  readonly chainBytes: number;
  readonly keyBytes: number;
}

/**
 * A store on its way to worker threads, by `postMessage` or `workerData`. Chains and keys are in one
 * SharedArrayBuffer behind zeros: all workers share the one copy, and a message that is printed shows no key.
 */
export interface StoreMessage {
  readonly kind: 'certificateStore';
  readonly version: number;
  readonly defaultName: string | undefined;
  readonly certificates: readonly CertificateRecord[];
  readonly secrets: SharedArrayBuffer;
}

/** Options of {@link storeToMessage}. */
export interface StoreMessageOptions {
  /** Grows with every change, so that a receiver can ignore what comes late. */
  readonly version: number;
  /** Leaves out certificates (and so their keys) that the receiver does not serve. Default: all are sent. */
  readonly filter?: (certificate: Certificate) => boolean;
}

/**
 * Packs a store for worker threads.
 *
 * @throws TlsError `TLS_OPTION` if the filter leaves nothing for the default name: the receiver must not end up
 * with another default certificate than the sender's.
 */
export function storeToMessage(store: CertificateStore, options: StoreMessageOptions): StoreMessage {
  const { filter } = options;
  const chosen = filter === undefined ? store.certificates : store.certificates.filter((one) => filter(one));
  const { defaultName } = store;
  if (filter !== undefined && defaultName !== undefined) {
    // Only to have the default name checked where the mistake is.
    new CertificateStore(chosen, { defaultName }).selectDefault(0);
  }
  const texts = chosen.map((certificate) => {
    const { chain, key } = certificate.material();
    return { info: certificate.info, chain: Buffer.from(chain, 'latin1'), key: Buffer.from(key, 'latin1') };
  });
  const total = texts.reduce((sum, { chain, key }) => sum + chain.length + key.length, PADDING);
  const secrets = new SharedArrayBuffer(total);
  const bytes = new Uint8Array(secrets);
  const certificates: CertificateRecord[] = [];
  let offset = PADDING;
  for (const { info, chain, key } of texts) {
    bytes.set(chain, offset);
    bytes.set(key, offset + chain.length);
    certificates.push({ info, offset, chainBytes: chain.length, keyBytes: key.length });
    key.fill(0);
    offset += chain.length + key.length;
  }
  return { kind: 'certificateStore', version: options.version, defaultName, certificates, secrets };
}

/**
 * Builds the store in a worker. Nothing is parsed or checked again (the sender did), and PEM texts are decoded
 * when a name is first asked for, so that 10,000 certificates cost a worker some milliseconds.
 *
 * @throws TlsError `TLS_SNAPSHOT_INVALID` for anything that {@link storeToMessage} did not make.
 */
export function storeFromMessage(message: StoreMessage): CertificateStore {
  if (message.kind !== 'certificateStore' || !(message.secrets instanceof SharedArrayBuffer)) {
    throw new TlsError('TLS_SNAPSHOT_INVALID', 'the message holds no certificate store');
  }
  const { secrets, defaultName } = message;
  const certificates = message.certificates.map((record) => {
    if (record.offset < PADDING || record.offset + record.chainBytes + record.keyBytes > secrets.byteLength) {
      throw new TlsError('TLS_SNAPSHOT_INVALID', `the message is cut off at ${record.info.file}`);
    }
    return new Certificate(record.info, () => decode(secrets, record));
  });
  return new CertificateStore(certificates, defaultName === undefined ? {} : { defaultName });
}

function decode(secrets: SharedArrayBuffer, record: CertificateRecord): CertificateMaterial {
  const bytes = Buffer.from(secrets, record.offset, record.chainBytes + record.keyBytes);
  return {
    chain: bytes.toString('latin1', 0, record.chainBytes),
    key: bytes.toString('latin1', record.chainBytes),
  };
}
