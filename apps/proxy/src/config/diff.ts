import type { ProxyConfig } from './options/root.ts';
import { formatPath } from './problem.ts';
import { MASK, toPlain } from './print.ts';

/** One option whose value differs, as written in the file; secrets are masked. */
export interface Change {
  readonly path: string;
  readonly from: unknown;
  readonly to: unknown;
}

/** What a reload would do. */
export interface Plan {
  /** Paths of upstreams, backends, routes, listeners and sections that are new. */
  readonly added: readonly string[];
  /** The same for those that are gone. */
  readonly removed: readonly string[];
  readonly changed: readonly Change[];
  /** Paths (of the three above) that take effect only after a restart. */
  readonly needsRestart: readonly string[];
  /** Whether nothing differs. */
  readonly empty: boolean;
}

type Mapping = Readonly<Record<string, unknown>>;

/** What a running process cannot change: its threads, its admin listener, and its log files. */
const RESTART = /^(?:workers|admin(?:\..+)?|log\.(?:file|access\..+))$/u;

/** The same where listeners cannot be opened and closed: what they were made with. */
const FIXED_LISTENER = new RegExp(
  String.raw`^listeners\[[^\]]*\](?:\.(?:address|port|proxyProtocol|http2|h2c|tls|` +
    String.raw`tls\.(?:minVersion|ciphers|clientAuth(?:\..+)?|strictSni|handshakeTimeout|ticketRotation)))?$`,
  'u',
);

const isMapping = (value: unknown): value is Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Items of lists are told apart by what identifies them, so that a new first one is not a change of all. */
const identity = (item: Mapping, index: number): string => {
  if (typeof item.url === 'string') return typeof item.name === 'string' ? item.name : item.url;
  if (typeof item.upstream === 'string') return `${String(item.host ?? '*')}${String(item.path ?? '/')}`;
  if (typeof item.port === 'number') return `${String(item.address ?? '')}:${item.port}`;
  return typeof item.cert === 'string' ? item.cert : String(index);
};

const keyed = (value: unknown): Mapping | null => {
  if (isMapping(value)) return value;
  if (!Array.isArray(value) || !value.every(isMapping)) return null;
  return Object.fromEntries(value.map((item, index) => [identity(item, index), item]));
};

const step = (path: string, key: string, inList: boolean): string => {
  if (inList) return `${path}[${key}]`;
  return path === ''
    ? formatPath([key])
    : path + (/^[A-Za-z0-9_-]+$/u.test(key) ? `.${key}` : formatPath([key]));
};

class PlanBuilder {
  readonly added: string[] = [];
  readonly removed: string[] = [];
  readonly changed: Change[] = [];

  compare(path: string, from: unknown, to: unknown): void {
    const before = keyed(from);
    const after = keyed(to);
    if (before === null || after === null) {
      this.#single(path, from, to);
      return;
    }
    const inList = Array.isArray(to);
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      const inner = step(path, key, inList);
      if (!Object.hasOwn(before, key)) this.added.push(inner);
      else if (Object.hasOwn(after, key)) this.compare(inner, before[key], after[key]);
      else this.removed.push(inner);
    }
  }

  #single(path: string, from: unknown, to: unknown): void {
    if (JSON.stringify(from) !== JSON.stringify(to)) this.changed.push({ path, from, to });
  }
}

const secretsOf = (config: ProxyConfig): Mapping => {
  const passphrases = config.listeners.flatMap(({ address, port, tls }) =>
    (tls?.certificates ?? []).map(({ cert, passphrase }): [string, unknown] => [
      `listeners[${address}:${port}].tls.certificates[${cert}].passphrase`,
      passphrase,
    ]),
  );
  return Object.fromEntries([['admin.token', config.admin?.token ?? null], ...passphrases]);
};

/** What the process that reloads can do. */
export interface Abilities {
  /** Default true; a program that runs the proxy in a thread of its own cannot. */
  readonly reopensListeners?: boolean;
}

/** What changes from the running configuration `from` to `to`; for the log before a reload is applied. */
export function diffConfig(
  from: ProxyConfig,
  to: ProxyConfig,
  { reopensListeners = true }: Abilities = {},
): Plan {
  const builder = new PlanBuilder();
  builder.compare('', toPlain(from), toPlain(to));
  const before = secretsOf(from);
  for (const [path, secret] of Object.entries(secretsOf(to))) {
    const old = before[path] ?? null;
    // Presence shows in the plain form already; here only a secret that was replaced by another.
    if (old !== null && secret !== null && old !== secret)
      builder.changed.push({ path, from: MASK, to: MASK });
  }
  const { added, removed, changed } = builder;
  const all = [...added, ...removed, ...changed.map(({ path }) => path)];
  return {
    added,
    removed,
    changed,
    needsRestart: all.filter(
      (path) => RESTART.test(path) || (!reopensListeners && FIXED_LISTENER.test(path)),
    ),
    empty: all.length === 0,
  };
}
