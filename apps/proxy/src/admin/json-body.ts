import type { IncomingMessage } from 'node:http';

/** The longest body that is read, in bytes. */
const MAX_BODY = 16 * 1024;

/** What is wrong with a request, to be told to whoever sent it. */
export class AdminError extends Error {
  readonly code = 'ADMIN_REQUEST';
  readonly source = 'client';
  readonly retryable = 'no';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'AdminError';
    this.status = status;
  }
}

/**
 * Reads a JSON object; an empty body is an empty object.
 * @throws {AdminError} 413 if it is too long, 400 if it is something else
 */
export async function readJson(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY) throw new AdminError(413, `the body is longer than ${MAX_BODY} bytes`);
    chunks.push(chunk);
  }
  if (length === 0) return {};
  const value = parse(Buffer.concat(chunks).toString('utf8'));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new AdminError(400, 'the body must be a JSON object');
  }
  return value as Readonly<Record<string, unknown>>;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new AdminError(400, `the body is no JSON: ${(error as Error).message}`);
  }
}
