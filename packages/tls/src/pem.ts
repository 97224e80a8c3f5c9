/** One `-----BEGIN …-----` block of a PEM text (RFC 7468). */
export interface PemBlock {
  /** The words after BEGIN, for instance `CERTIFICATE` or `EC PRIVATE KEY`. */
  readonly label: string;
  /** The whole block with its two boundary lines. */
  readonly text: string;
  /** What is between the boundaries. */
  readonly body: string;
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----/g;

/** Every PEM block in order. Text between blocks (openssl's `Bag Attributes`, comments) is skipped. */
export function pemBlocks(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  for (const match of text.matchAll(BLOCK)) {
    blocks.push({ label: match[1] ?? '', text: match[0], body: match[2] ?? '' });
  }
  return blocks;
}

/** Whether a configuration value is PEM text rather than the path of a file. */
export function isPem(value: string): boolean {
  return value.includes('-----BEGIN ');
}

/** Blocks that hold a private key, by label. */
export function isKeyBlock(block: PemBlock): boolean {
  return block.label.endsWith('PRIVATE KEY');
}

/**
 * Whether a key block needs a passphrase: PKCS#8 says so in its label, the older form in a header
 * (RFC 1421, `Proc-Type: 4,ENCRYPTED`).
 */
export function isEncryptedKey(block: PemBlock): boolean {
  return block.label.startsWith('ENCRYPTED') || block.body.includes('ENCRYPTED');
}

/** The bytes of a block that has no RFC 1421 headers. */
export function pemBytes(block: PemBlock): Buffer {
  return Buffer.from(block.body, 'base64');
}
