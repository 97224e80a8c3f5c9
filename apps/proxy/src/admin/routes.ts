import type { IncomingMessage } from 'node:http';
import { formatProblems } from '../config/index.ts';
import { LOG_LEVELS, isLogLevel, type Logger } from '../log/index.ts';
import type { Reloader } from '../run/reloader.ts';
import type { Supervisor } from '../run/supervisor.ts';
import { AdminError, readJson } from './json-body.ts';
import { METRICS_TYPE, formatMetrics } from './metrics.ts';
import { PAGE, PAGE_POLICY } from './page.ts';
import { purgeTarget } from './purge-request.ts';
import { collectStats } from './stats.ts';

/** What the admin interface works on. */
export interface AdminParts {
  readonly supervisor: Supervisor;
  readonly reloader: Reloader;
  readonly logger: Logger;
}

/** An answer of the admin interface. */
export interface AdminAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly fields?: Readonly<Record<string, string>>;
}

/** A request whose path matched; `parts` are the variable segments, decoded. */
interface AdminCall extends AdminParts {
  readonly request: IncomingMessage;
  readonly url: URL;
  readonly segments: readonly string[];
}

type Handler = (call: AdminCall) => AdminAnswer | Promise<AdminAnswer>;

interface AdminRoute {
  readonly method: string;
  readonly path: RegExp;
  readonly handle: Handler;
}

/** A JSON answer. */
export function json(status: number, value: unknown): AdminAnswer {
  return { status, type: 'application/json; charset=utf-8', body: `${JSON.stringify(value)}\n` };
}

const text = (status: number, body: string): AdminAnswer => ({
  status,
  type: 'text/plain; charset=utf-8',
  body,
});

const on = (method: string, path: RegExp, handle: Handler): AdminRoute => ({ method, path, handle });

const routes: readonly AdminRoute[] = [
  on('GET', /^\/$/u, () => ({
    status: 200,
    type: 'text/html; charset=utf-8',
    body: PAGE,
    fields: { 'Content-Security-Policy': PAGE_POLICY },
  })),
  on('GET', /^\/healthz$/u, () => text(200, 'ok\n')),
  on('GET', /^\/readyz$/u, ({ supervisor }) =>
    supervisor.isReady ? text(200, 'ready\n') : text(503, 'not ready\n'),
  ),
  on('GET', /^\/stats$/u, async ({ supervisor, reloader }) =>
    json(200, await collectStats(supervisor, reloader)),
  ),
  on('GET', /^\/metrics$/u, async ({ supervisor, reloader }) => ({
    status: 200,
    type: METRICS_TYPE,
    body: await formatMetrics(await collectStats(supervisor, reloader)),
  })),
  on('POST', /^\/reload$/u, reload),
  on('GET', /^\/log\/level$/u, ({ logger }) => json(200, { level: logger.level })),
  on('PUT', /^\/log\/level$/u, changeLogLevel),
  on('POST', /^\/backends\/([^/]+)\/([^/]+)\/(drain|enable|disable)$/u, administer),
  on('DELETE', /^\/cache$/u, deleteCache),
  on('POST', /^\/cache\/purge$/u, async ({ supervisor, request }) =>
    purged(await supervisor.purge(purgeTarget(await readJson(request)))),
  ),
];

/**
 * Answers an admin request that may be answered.
 * @throws {AdminError} for what is wrong with the request
 */
export async function answerAdmin(
  request: IncomingMessage,
  url: URL,
  parts: AdminParts,
): Promise<AdminAnswer> {
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  const here = routes.filter(({ path }) => path.test(url.pathname));
  const route = here.find((one) => one.method === method);
  if (route === undefined) {
    if (here.length === 0) return json(404, { error: 'there is nothing here' });
    const allow = [...new Set(here.map((one) => one.method))].join(', ');
    return { ...json(405, { error: `this path takes ${allow}` }), fields: { Allow: allow } };
  }
  const segments = (route.path.exec(url.pathname) ?? []).slice(1).map(decoded);
  return route.handle({ ...parts, request, url, segments });
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new AdminError(400, 'the path is not well encoded');
  }
}

async function reload({ reloader }: AdminCall): Promise<AdminAnswer> {
  const result = await reloader.reload();
  switch (result.outcome) {
    case 'reloaded':
      return json(200, result);
    case 'refused':
      return json(400, { ...result, text: formatProblems(result.problems) });
    case 'impossible':
      return json(409, result);
  }
}

async function changeLogLevel({ supervisor, logger, request, url }: AdminCall): Promise<AdminAnswer> {
  const { level = url.searchParams.get('level') } = await readJson(request);
  if (typeof level !== 'string' || !isLogLevel(level)) {
    throw new AdminError(400, `send {"level": …} with one of ${LOG_LEVELS.join(', ')}`);
  }
  supervisor.logLevel(level);
  logger.info({ to: level }, 'log level changed by the operator');
  return json(200, { level });
}

const ADMINISTRATION = { drain: 'draining', enable: 'enabled', disable: 'disabled' } as const;

function administer({ supervisor, segments }: AdminCall): AdminAnswer {
  const [upstream = '', backend = '', action = ''] = segments;
  if (!supervisor.upstreams.has(upstream)) throw new AdminError(404, `there is no upstream "${upstream}"`);
  const state = ADMINISTRATION[action as keyof typeof ADMINISTRATION];
  const count = supervisor.administer(upstream, backend, state);
  if (count === 0) throw new AdminError(404, `upstream "${upstream}" has no backend "${backend}"`);
  return json(200, { upstream, backend, state, addresses: count });
}

async function deleteCache({ supervisor, url }: AdminCall): Promise<AdminAnswer> {
  const asked = Object.fromEntries(url.searchParams);
  return purged(
    await supervisor.purge(Object.keys(asked).length === 0 ? { kind: 'all' } : purgeTarget(asked)),
  );
}

/** Workers that did not answer may still have stored what was to go: the client should try again. */
function purged({ removed, silent }: { readonly removed: number; readonly silent: number }): AdminAnswer {
  return json(silent === 0 ? 200 : 503, {
    removed,
    ...(silent === 0 ? {} : { workersWithoutAnswer: silent }),
  });
}
