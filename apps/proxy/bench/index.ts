import { bench, report } from './measure.ts';
import { AccessLog, AccessRecord, CommonFormatter, JsonFormatter } from '../src/log/index.ts';
import { parseConfig } from '../src/config/index.ts';

const record = new AccessRecord();
record.time = 1_790_000_000_123;
record.client = '203.0.113.77';
record.method = 'GET';
record.target = '/shop/items/4711/pictures/large';
record.version = 'HTTP/1.1';
record.status = 200;
record.bytesOut = 10_240;
record.duration = 12.345;
record.upstream = 'app';
record.backend = '10.0.0.17:9001';
record.requestId = '0192f3a47bde7c3f8a5d6e1b2c3d4e5f';
record.host = 'shop.example.com';
record.userAgent =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36';
record.queueTime = 0;
record.firstByteTime = 11.876;

const withQuery = Object.assign(new AccessRecord(), record, {
  target: '/shop/search?q=shoes&page=2&access_token=abcdef',
  referer: 'https://shop.example.com/shop/items?color=red&size=44',
});

// Strings of the wire are new for every request: caches must not live from one and the same object.
const heads = Array.from({ length: 64 }, (_, index) => {
  const copy = Object.assign(new AccessRecord(), record);
  copy.userAgent = Buffer.from(record.userAgent).toString('latin1');
  copy.host = Buffer.from(record.host).toString('latin1');
  copy.client = `203.0.113.${index}`;
  copy.target = `/shop/items/${4711 + index}/pictures/large`;
  copy.duration = 12.345 + index / 7;
  copy.firstByteTime = 11.5 + index / 3;
  copy.requestId = record.requestId.slice(2) + (10 + index);
  return copy;
});

const json = new JsonFormatter();
const combined = new CommonFormatter('combined');
let bytes = 0;
const sink = { batchBytes: 65_536, write: (batch: string): void => void (bytes += Buffer.byteLength(batch)) };
const log = new AccessLog(sink, 'json');
const file = `listeners: [{ port: 8080 }]\nupstreams: { app: { backends: [{ url: http://127.0.0.1:1 }] } }\n`;
const at = (turn: number): AccessRecord => heads[turn % heads.length] ?? record;

bench('access log: json line', 500_000, (turn) => json.format(at(turn)).length);
bench('access log: json line with query and referer', 300_000, () => json.format(withQuery).length);
bench('access log: combined line', 500_000, (turn) => combined.format(at(turn)).length);
bench('access log: json line, batched and made bytes', 500_000, (turn) => {
  log.log(at(turn));
  return bytes;
});
bench('configuration: a small file', 300, () => parseConfig(file).problems.length);
report();
