import type { Path } from '../problem.ts';
import { closest } from '../suggest.ts';
import { conflict, type CheckContext } from './context.ts';

const checkName = (context: CheckContext, name: string, path: Path): void => {
  const { config, report } = context;
  const names = config.upstreams.map((upstream) => upstream.name);
  if (names.includes(name) || report.isBrokenAt(['upstreams']) || report.isBroken(path)) return;
  report.add({
    code: 'CONFIG_CONFLICT',
    path,
    message: 'there is no upstream of this name',
    found: JSON.stringify(name),
    allowed: names.join(', ') || 'none: there are no upstreams',
    suggestion: closest(name, names),
  });
};

const checkRoutes = (context: CheckContext): void => {
  const { routes } = context.config;
  const firstAt = new Map<string, number>();
  for (const [index, { host, path, upstream }] of routes.entries()) {
    checkName(context, upstream, ['routes', index, 'upstream']);
    if (context.report.isBrokenAt(['routes', index, 'host'])) continue;
    const match = `${host ?? '*'} ${path}`;
    const first = firstAt.get(match);
    if (first !== undefined)
      conflict(context, ['routes', index], `routes[${first}] matches the same requests`);
    else firstAt.set(match, index);
  }
};

const checkPresence = (context: CheckContext): void => {
  const { listeners, upstreams, routes, defaultUpstream } = context.config;
  const onlyRedirects =
    listeners.length > 0 && listeners.every(({ redirectToHttps }) => redirectToHttps !== null);
  if (onlyRedirects && (upstreams.length > 0 || routes.length > 0)) {
    const path = routes.length > 0 ? ['routes'] : ['upstreams'];
    conflict(context, path, 'every listener redirects to HTTPS: nothing would ever come here');
  }
  if (upstreams.length === 0 && !onlyRedirects) {
    const message = 'there is no upstream: the proxy would have nothing to forward to';
    context.report.addUnlessBroken({
      code: 'CONFIG_MISSING_OPTION',
      path: ['upstreams'],
      at: 'key',
      message,
    });
  }
  if (
    upstreams.length > 1 &&
    routes.length === 0 &&
    defaultUpstream === null &&
    !context.report.isBroken(['routes'])
  ) {
    const message = `there are ${upstreams.length} upstreams but neither "routes" nor "defaultUpstream" to choose between them`;
    context.report.add({ code: 'CONFIG_CONFLICT', path: ['upstreams'], at: 'key', message });
  }
};

/** Checks across routes and upstreams. */
export function checkRouting(context: CheckContext): void {
  const { defaultUpstream, cache } = context.config;
  checkPresence(context);
  checkRoutes(context);
  if (defaultUpstream !== null) checkName(context, defaultUpstream, ['defaultUpstream']);
  if (cache.maxEntrySize > cache.maxSize) {
    conflict(
      context,
      ['cache', 'maxEntrySize'],
      'maxEntrySize is above maxSize: no entry may be larger than the cache',
    );
  }
}
