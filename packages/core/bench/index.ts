import { ParserEvent, RequestParser, type RequestHead } from '@rp/parser';
import { answerFor } from '../src/answers.ts';
import { serializeAnswer } from '../src/client/answer-writer.ts';
import { Counter, Counters } from '../src/counters.ts';
import { DateField } from '../src/date-field.ts';
import { ProxyFailure } from '../src/failure.ts';
import { HookPoint } from '../src/hooks.ts';
import { isRequestIntact } from '../src/edited-heads.ts';
import { requestIds } from '../src/request-id.ts';
import { RouteTable } from '../src/routes.ts';
import { Timer, TimerWheel } from '../src/timer-wheel.ts';
import { TrustedProxies } from '../src/trusted-proxies.ts';

/** Prints nanoseconds per operation: the median of seven rounds of about 50 ms each. */
function measure(name: string, operation: () => void): void {
  for (let i = 0; i < 20_000; i++) operation();
  const from = process.hrtime.bigint();
  for (let i = 0; i < 2_000; i++) operation();
  const count = Math.max(200, Math.round((2_000 * 5e7) / Number(process.hrtime.bigint() - from)));
  const rounds: number[] = [];
  for (let round = 0; round < 7; round++) {
    const start = process.hrtime.bigint();
    for (let i = 0; i < count; i++) operation();
    rounds.push(Number(process.hrtime.bigint() - start) / count);
  }
  rounds.sort((a, b) => a - b);
  process.stdout.write(`${name.padEnd(44)}${(rounds[3] as number).toFixed(1).padStart(9)} ns/op\n`);
}

class Silent extends Timer {
  override expired(): void {}
}

function requestHead(): RequestHead {
  const bytes = Buffer.from(
    'GET /index.html HTTP/1.1\r\nHost: app.example.com\r\nAccept: */*\r\nUser-Agent: bench\r\n\r\n',
  );
  const parser = new RequestParser();
  if (parser.execute(bytes, 0, bytes.length) !== ParserEvent.head) throw new Error('no head');
  const { head } = parser;
  parser.close();
  return head!;
}

function timers(): void {
  let now = 0;
  let tick: () => void = () => {};
  const ticker = { start: (_interval: number, run: () => void) => ((tick = run), () => {}) };
  const wheel = new TimerWheel({ clock: () => now, ticker });
  const others = Array.from({ length: 100_000 }, () => new Silent());
  for (const [i, timer] of others.entries()) wheel.arm(timer, 20_000 + i, now);
  const timer = new Silent();
  measure('timer wheel, later deadline, 100,000 armed', () => wheel.arm(timer, 60_000, now));
  measure('timer wheel, arm and remove', () => {
    wheel.arm(timer, 60_000, now);
    wheel.remove(timer);
  });
  measure('timer wheel, tick that has nothing to do', () => {
    now += 1e-6;
    tick();
  });
}

function routing(): void {
  const only = new RouteTable([{ upstream: 1 }]);
  measure('route table, one upstream', () => void only.find('app.example.com', '/x'));
  const many = new RouteTable(
    Array.from({ length: 1000 }, (_, i) => ({
      host: i % 2 === 0 ? `h${i}.example.com` : `*.w${i}.example.com`,
      path: '/a',
      upstream: i,
    })),
  );
  measure('route table, exact host of 1,000', () => void many.find('h500.example.com:8080', '/a/b'));
  measure('route table, wildcard of 1,000', () => void many.find('x.y.w501.example.com', '/a/b'));
}

function small(): void {
  const counters = new Counters();
  measure('counters, one response', () => counters.response(200, 0.7));
  measure('counters, one sum', () => void counters.cells[Counter.requests]!++);
  const nextId = requestIds();
  measure('request id', () => void nextId());
  const date = new DateField();
  measure('Date field within a second', () => void date.at(1_700_000_000_000));
  const trusted = new TrustedProxies(['10.0.0.0/8', 'fd00::/8', '192.168.0.0/16']);
  measure('trusted proxies, three blocks', () => void trusted.trusts('203.0.113.9'));
  const none = new HookPoint<string>('none', () => {});
  measure('hook point without handlers', () => {
    if (none.active) none.run('event', () => {});
  });
  const one = new HookPoint<string>('one', () => {});
  one.on(() => undefined);
  measure('hook point, one synchronous handler', () => {
    if (one.active) one.run('event', () => {});
  });
  const head = requestHead();
  measure('check of a head that handlers had', () => void isRequestIntact(head));
  const failure = new ProxyFailure('NO_ROUTE', 'bench');
  measure('answer to a failure, as bytes', () => {
    serializeAnswer(
      answerFor(failure, 'id-1', 'text/html,*/*;q=0.8'),
      '',
      false,
      'Tue, 14 Nov 2023 22:13:20 GMT',
    );
  });
}

timers();
routing();
small();
