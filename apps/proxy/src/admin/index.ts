import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Admin } from '../config/index.ts';
import { AdminGuard } from './guard.ts';
import { AdminError } from './json-body.ts';
import { answerAdmin, json, type AdminAnswer, type AdminParts } from './routes.ts';

/** Milliseconds between two attempts to get an address that a predecessor still has. */
const RETRY = 250;

/** The admin listener (spec 7.4). It runs in the supervisor's thread, so that it answers when workers do not. */
export class AdminServer {
  readonly #admin: Admin;
  readonly #parts: AdminParts;
  readonly #guard: AdminGuard;
  readonly #server: Server;
  #retry: NodeJS.Timeout | undefined = undefined;

  constructor(admin: Admin, parts: AdminParts) {
    this.#admin = admin;
    this.#parts = parts;
    this.#guard = new AdminGuard(admin.token, admin.address);
    this.#server = createServer(
      { headersTimeout: 10_000, requestTimeout: 10_000, keepAliveTimeout: 10_000, maxHeaderSize: 16 * 1024 },
      (request, response) => void this.#serve(request, response),
    );
    this.#server.maxConnections = 256;
  }

  /** Where it listens, such as `http://127.0.0.1:9901`; empty while it does not. */
  get url(): string {
    const place = this.#server.address() as AddressInfo | null;
    if (place === null) return '';
    return `http://${place.family === 'IPv6' ? `[${place.address}]` : place.address}:${place.port}`;
  }

  /** Resolves when it accepts connections; rejects where it cannot. */
  async listen(): Promise<void> {
    try {
      await this.#listen();
    } catch (error) {
      throw new Error(`admin listener: ${(error as Error).message}`, { cause: error });
    }
  }

  /** As {@link listen}, but waits, without holding up anybody, for a predecessor that still has the address. */
  async listenWhenFree(): Promise<void> {
    try {
      await this.#listen();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      this.#retry = setTimeout(() => this.#again(), RETRY);
    }
  }

  close(): Promise<void> {
    clearTimeout(this.#retry);
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  #listen(): Promise<void> {
    const { address, port } = this.#admin;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, address, () => {
        this.#server.off('error', reject);
        this.#server.on('error', (error) => this.#report(error));
        resolve();
      });
    });
  }

  #again(): void {
    this.listenWhenFree().catch((error: unknown) => this.#report(error));
  }

  #report(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#parts.logger.error({ error: message }, 'the admin listener failed');
  }

  /** Never rejects: nothing that happens here may end the process. */
  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = await this.#answer(request);
    const length = Buffer.byteLength(answer.body);
    response.writeHead(answer.status, {
      'Content-Type': answer.type,
      'Content-Length': length,
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      'X-Frame-Options': 'DENY',
      // Whatever of a body was not read is not worth reading.
      ...(request.complete ? {} : { Connection: 'close' }),
      ...answer.fields,
    });
    response.end(request.method === 'HEAD' ? undefined : answer.body);
  }

  async #answer(request: IncomingMessage): Promise<AdminAnswer> {
    try {
      const { headers, method = 'GET' } = request;
      const url = targetOf(request.url ?? '/');
      const refusal = this.#guard.refusal({
        method,
        path: url.pathname,
        host: headers.host,
        origin: headers.origin,
        fetchSite: headers['sec-fetch-site'] as string | undefined,
        authorization: headers.authorization,
      });
      if (refusal !== null) {
        const fields = refusal.status === 401 ? { 'WWW-Authenticate': 'Bearer realm="rp admin"' } : {};
        return { ...json(refusal.status, { error: refusal.message }), fields };
      }
      return await answerAdmin(request, url, this.#parts);
    } catch (error) {
      return this.#failed(error);
    }
  }

  #failed(error: unknown): AdminAnswer {
    if (error instanceof AdminError) return json(error.status, { error: error.message });
    const message = error instanceof Error ? error.message : String(error);
    this.#parts.logger.error({ error: message }, 'an admin request failed');
    return json(500, { error: message });
  }
}

/**
 * The target of a request, in origin form mostly; a proxy may send the absolute form (RFC 9112, 3.2).
 * @throws {AdminError} 400 for what is neither
 */
function targetOf(target: string): URL {
  // Two slashes at the start are a path here, not an authority.
  const url = URL.parse(target.startsWith('/') ? `http://admin.invalid${target}` : target);
  if (url === null) throw new AdminError(400, 'the request target is not valid');
  return url;
}
