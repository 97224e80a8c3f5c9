import { createHash } from 'node:crypto';

const STYLE = `
:root { color-scheme: light dark; --ink: #1c2230; --soft: #667085; --line: #e3e6ec; --card: #fff; --back: #f5f6f9;
  --good: #15803d; --bad: #b91c1c; --warn: #b45309; --accent: #2f5bea; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9f0; --soft: #98a2b3; --line: #2a3040; --card: #171b26;
  --back: #0e1118; --good: #4ade80; --bad: #f87171; --warn: #fbbf24; --accent: #7c9bff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
header, main { max-width: 72rem; margin: 0 auto; padding: 1.25rem 1.25rem 0; }
header { display: flex; align-items: baseline; gap: .75rem; flex-wrap: wrap; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1rem; margin: 1.75rem 0 .6rem; }
.soft, th { color: var(--soft); font-weight: 500; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; }
.card, table { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; }
.card { padding: .7rem .9rem; } .card b { display: block; font-size: 1.5rem; font-weight: 600; }
.scroll { overflow-x: auto; } table { width: 100%; border-spacing: 0; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .45rem .8rem; white-space: nowrap; border-top: 1px solid var(--line); }
tr:first-child > * { border-top: 0; } th:first-child, td:first-child { text-align: left; }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); }
svg { width: 100%; height: 3.5rem; display: block; } polyline { fill: none; stroke: var(--accent); stroke-width: 1.5; }
form { margin-top: 1rem; } input, button { font: inherit; padding: .3rem .6rem; }
`;

const SCRIPT = `
const $ = (id) => document.getElementById(id);
const n = (v) => v >= 1e6 ? (v / 1e6).toFixed(1) + ' M' : v >= 1e4 ? (v / 1e3).toFixed(1) + ' k' : String(Math.round(v * 10) / 10);
const bytes = (v) => { let u = 0; while (v >= 1024 && u < 4) { v /= 1024; u++; } return v.toFixed(u ? 1 : 0) + ' ' + ['B', 'KiB', 'MiB', 'GiB', 'TiB'][u]; };
const span = (s) => s < 90 ? s + ' s' : s < 5400 ? Math.round(s / 60) + ' min' : s < 172800 ? Math.round(s / 3600) + ' h' : Math.round(s / 86400) + ' d';
const cell = (row, text, kind, head) => { const e = document.createElement(head ? 'th' : 'td'); e.textContent = text; if (kind) e.className = kind; row.append(e); };
const table = (id, heads, rows) => {
  const t = $(id); t.replaceChildren();
  const head = t.insertRow(); for (const h of heads) cell(head, h, '', true);
  for (const values of rows) { const r = t.insertRow(); for (const v of values) Array.isArray(v) ? cell(r, v[0], v[1]) : cell(r, v); }
};
const card = (label, value, kind) => { const d = document.createElement('div'); d.className = 'card'; const b = document.createElement('b'); b.textContent = value; if (kind) b.className = kind; const s = document.createElement('span'); s.className = 'soft'; s.textContent = label; d.append(b, s); return d; };
let last, history = [];
const draw = (s, rate) => {
  $('state').textContent = s.ready ? 'ready' : 'not ready'; $('state').className = s.ready ? 'good' : 'bad';
  $('about').textContent = 'process ' + s.pid + ', up ' + span(s.uptimeSeconds) + ', configuration ' + s.config.version;
  const errors = s.responses['5xx'];
  $('cards').replaceChildren(card('requests/s', n(rate)), card('requests', n(s.requests.total)), card('under way', n(s.requests.active)),
    card('connections', n(s.connections.open)), card('answers 5xx', n(errors), errors ? 'warn' : ''), card('median', n(s.latency.p50) + ' ms'), card('99th percentile', n(s.latency.p99) + ' ms'),
    card('memory', bytes(s.process.memory)), ...(s.cache ? [card('cache hits', Math.round(s.cache.hitRatio * 100) + ' %'), card('cached', bytes(s.cache.bytes || 0))] : []));
  history = [...history, rate].slice(-120);
  const top = Math.max(1, ...history);
  $('line').setAttribute('points', history.map((v, i) => i * 5 + ',' + (52 - v / top * 48).toFixed(1)).join(' '));
  table('backends', ['backend', 'state', 'active', 'attempts', 'failed', 'connections', 'reused', 'waiting', 'average'], Object.entries(s.upstreams).flatMap(([u, g]) => g.backends.map((b) => {
    const failed = b.connectFailed + b.reset + b.timedOut;
    const why = b.state === 'healthy' ? (b.circuit === 'halfOpen' ? 'trying' : b.slowStart ? 'warming up' : 'healthy') : b.ejected ? 'ejected' : b.circuit === 'open' ? 'circuit open' : b.state;
    const kind = why === 'healthy' ? 'good' : b.state === 'healthy' || b.state === 'draining' || b.state === 'disabled' ? 'warn' : 'bad';
    return [u + ' / ' + b.name, [why, kind], n(b.active), n(b.picked), [n(failed), failed ? 'warn' : ''], b.pool.active + ' + ' + b.pool.idle + ' idle',
      b.pool.acquired ? Math.round(b.pool.reused / b.pool.acquired * 100) + ' %' : '–', n(b.pool.waiting), b.latency.count ? n(b.latency.sumMs / b.latency.count) + ' ms' : '–'];
  })));
  table('workers', ['worker', 'state', 'connections', 'timers', 'loop delay', 'heap'], s.workers.each.map((w, i) => w.answered
    ? ['worker ' + i, [w.overloaded ? 'overloaded' : 'ok', w.overloaded ? 'bad' : 'good'], n(w.connections), n(w.timers), n(w.eventLoopDelay) + ' ms', bytes(w.heapUsed)] : ['worker ' + i, ['no answer', 'bad'], '–', '–', '–', '–']));
  const failures = Object.entries(s.failures).filter(([, v]) => v > 0).sort((a, b) => b[1] - a[1]);
  table('failures', ['failure', 'count'], failures.length ? failures.map(([k, v]) => [k, n(v)]) : [['none', '0']]);
};
const load = async () => {
  const token = sessionStorage.getItem('rp-token');
  try {
    const r = await fetch('stats', { headers: token ? { authorization: 'Bearer ' + token } : {} });
    $('login').hidden = r.status !== 401;
    if (!r.ok) throw new Error(r.status === 401 ? 'a token is needed' : 'status ' + r.status);
    const s = await r.json(), at = performance.now();
    const same = last && last.pid === s.pid;
    draw(s, same ? Math.max(0, (s.requests.total - last.total) / (at - last.at) * 1000) : 0);
    last = { pid: s.pid, total: s.requests.total, at };
  } catch (e) { $('state').textContent = e.message; $('state').className = 'bad'; }
  setTimeout(load, 2000);
};
$('login').addEventListener('submit', (e) => { e.preventDefault(); sessionStorage.setItem('rp-token', $('token').value); $('token').value = ''; });
load();
`;

const hash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** Only what stands in the page itself may run or be shown. */
export const PAGE_POLICY: string = `default-src 'none'; connect-src 'self'; style-src ${hash(STYLE)}; script-src ${hash(SCRIPT)}; form-action 'none'; base-uri 'none'; frame-ancestors 'none'`;

/** The live status page: it holds no data, and reads `/stats` every two seconds. */
export const PAGE: string = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>rp status</title>
<style>${STYLE}</style>
<header><h1>rp</h1> <strong id="state" role="status">loading …</strong> <span id="about" class="soft"></span></header>
<main>
<form id="login" hidden><label>Admin token <input id="token" type="password" autocomplete="off"></label> <button>Use it</button></form>
<h2>Traffic</h2>
<div id="cards" class="cards"></div>
<h2>Requests per second</h2>
<div class="card"><svg viewBox="0 0 600 56" preserveAspectRatio="none" role="img" aria-label="Requests per second, last four minutes"><polyline id="line"/></svg></div>
<h2>Backends</h2><div class="scroll"><table id="backends"></table></div>
<h2>Workers</h2><div class="scroll"><table id="workers"></table></div>
<h2>Failures</h2><div class="scroll"><table id="failures"></table></div>
<p class="soft">All figures: <a href="stats">stats</a>, <a href="metrics">metrics</a>.</p>
</main>
<script>${SCRIPT}</script>
</html>
`;
