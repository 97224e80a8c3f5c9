import { describe, expect, it } from 'vitest';
import { diffConfig } from '../src/config/index.ts';
import { MINIMAL, valid } from './support.ts';

const fleet = (backends: string, more = ''): string =>
  `listeners: [{ port: 8080 }]\nupstreams: { app: { backends: ${backends} } }\n${more}`;
const plan = (from: string, to: string) => diffConfig(valid(from), valid(to));

describe('the plan of a reload', () => {
  it('is empty for the same configuration, however it is written', () => {
    const same = plan(MINIMAL, `${MINIMAL}workers: auto\ncache: { maxSize: 102400KB }\n`);
    expect(same).toEqual({ added: [], removed: [], changed: [], needsRestart: [], empty: true });
  });

  it('names backends by their name, wherever they stand', () => {
    const { added, removed, changed } = plan(
      fleet('[{ url: http://a:1 }, { url: http://b:1 }]'),
      fleet('[{ url: http://c:1 }, { url: http://a:1 }]'),
    );
    expect(added).toEqual(['upstreams.app.backends[c:1]']);
    expect(removed).toEqual(['upstreams.app.backends[b:1]']);
    expect(changed).toEqual([]);
  });

  it('shows changed values as one would write them', () => {
    const { changed } = plan(MINIMAL, `${MINIMAL}timeouts: { idle: 90s }\nlimits: { body: 5MB }\n`);
    expect(changed).toEqual([
      { path: 'timeouts.idle', from: '1m', to: '90s' },
      { path: 'limits.body', from: '1GB', to: '5MB' },
    ]);
  });

  it('names upstreams, routes and listeners that come and go', () => {
    const to = `listeners: [{ port: 9090 }]
upstreams: { app: { backends: [{ url: http://127.0.0.1:3000 }] }, new: { backends: [{ url: http://n }] } }
routes: [{ upstream: app }, { path: /new, upstream: new }]
admin: {}
`;
    const { added, removed, needsRestart } = plan(MINIMAL, to);
    expect(added).toEqual([
      'listeners[0.0.0.0:9090]',
      'upstreams.new',
      'routes[*/]',
      'routes[*/new]',
      'admin',
    ]);
    expect(removed).toEqual(['listeners[0.0.0.0:8080]', 'defaultUpstream']);
    expect(needsRestart).toEqual(['admin']);
  });

  it('says that worker threads need a restart', () => {
    expect(plan(`${MINIMAL}workers: 1`, `${MINIMAL}workers: 2`).needsRestart).toEqual(['workers']);
  });

  it('tells that a secret changed without telling it', () => {
    const from = `${MINIMAL}admin: { token: aaaaaaaaaaaaaaaa }`;
    const { changed } = plan(from, `${MINIMAL}admin: { token: bbbbbbbbbbbbbbbb }`);
    expect(changed).toEqual([{ path: 'admin.token', from: '***', to: '***' }]);
    expect(plan(from, from).empty).toBe(true);
  });
});
