import { mkdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { tempPaths } from './backend.ts';
import { rpCommand, rpMissing } from './peers/rp.ts';
import { isAlive, openDescriptors, processTree, residentMemory } from './proc.ts';
import { type Child, type ProcessGroup, freePort, waitForPort } from './process.ts';

/** What can be put under the fuzzer, the soak and the fault scripts. nginx is there to calibrate the scripts. */
export type SubjectKind = 'rp' | 'nginx';

/** How the subject is configured. */
export interface SubjectPlan {
  readonly backends: readonly number[];
  /** A backend of its own for paths under `/ok/`, so that a hostile fleet cannot take the control requests with it. */
  readonly control?: number;
  /** Active health checks every second on `/health`. */
  readonly health?: boolean;
  /** Worker threads. Default 1. */
  readonly workers?: number;
  /** More options of rp's upstream, as lines of YAML with an indent of 4. */
  readonly options?: string;
  /** rp's `timeouts.response`. Default 2s. */
  readonly response?: string;
}

/** What rp says of one backend. */
export interface BackendFigures {
  readonly state: string;
  readonly ejected: boolean;
  /** Attempts so far. */
  readonly picked: number;
}

interface Place {
  readonly folder: string;
  readonly port: number;
  readonly adminPort: number;
}

/** rp's file for the scripts: short timeouts, so that stalls end within a short run. */
export function rpSubjectConfig(place: Place, plan: SubjectPlan): string {
  const health =
    '    healthCheck: { path: /health, interval: 1s, timeout: 1s, failureThreshold: 2, successThreshold: 2 }\n';
  const upstream = (name: string, ports: readonly number[], checked: boolean, options = ''): string =>
    `  ${name}:\n${options}    algorithm: round-robin\n    backends:\n${ports.map((port) => `      - { url: "http://127.0.0.1:${port}" }\n`).join('')}${checked ? health : ''}`;
  const control = plan.control === undefined ? '' : upstream('control', [plan.control], false);
  const routes = '  - { path: /ok/, upstream: control }\n  - { path: /, upstream: app }\n';
  return `listeners:
  - { address: 127.0.0.1, port: ${place.port} }
workers: ${plan.workers ?? 1}
upstreams:
${upstream('app', plan.backends, plan.health ?? false, plan.options)}${control}${control === '' ? '' : `routes:\n${routes}`}timeouts: { header: 5s, body: 5s, response: ${plan.response ?? '2s'}, idle: 60s, drain: 10s }
log: { level: error, access: { enabled: false } }
admin: { address: 127.0.0.1, port: ${place.adminPort} }
`;
}

/** nginx's file for the scripts. */
export function nginxSubjectConfig(place: Place, plan: SubjectPlan): string {
  const proxying = `proxy_http_version 1.1; proxy_set_header Connection "";`;
  const control =
    plan.control === undefined ? '' : `location /ok/ { proxy_pass http://127.0.0.1:${plan.control}; }`;
  return `worker_processes 1;
daemon off;
pid ${place.folder}/nginx.pid;
error_log stderr crit;
events { worker_connections 8000; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_max_body_size 0;
  client_header_timeout 5s;
  client_body_timeout 5s;
  proxy_read_timeout 2s;
  ${tempPaths(place.folder)}
  upstream app { ${plan.backends.map((port) => `server 127.0.0.1:${port} fail_timeout=1s;`).join(' ')} keepalive 64; }
  server {
    listen 127.0.0.1:${place.port};
    ${control}
    location / { proxy_pass http://app; ${proxying} }
  }
}
`;
}

/** The proxy under test with its files, and what can be read from outside. */
export class Subject {
  readonly kind: SubjectKind;
  readonly port: number;
  readonly #group: ProcessGroup;
  readonly #place: Place;
  readonly #file: string;
  #child: Child | undefined;

  private constructor(kind: SubjectKind, group: ProcessGroup, place: Place) {
    this.kind = kind;
    this.port = place.port;
    this.#group = group;
    this.#place = place;
    this.#file = join(place.folder, kind === 'rp' ? 'rp.yaml' : 'nginx.conf');
  }

  /** Writes the file and makes ready; nothing runs yet. Throws when rp has not been built. */
  static async prepare(kind: SubjectKind, group: ProcessGroup, plan: SubjectPlan): Promise<Subject> {
    const missing = kind === 'rp' ? rpMissing() : undefined;
    if (missing !== undefined) throw new RangeError(`missing: ${missing} (or --peer nginx)`);
    const folder = group.folder(kind);
    mkdirSync(join(folder, 'files'));
    const subject = new Subject(kind, group, { folder, port: await freePort(), adminPort: await freePort() });
    subject.write(plan);
    return subject;
  }

  /** Prepares and starts. */
  static async start(kind: SubjectKind, group: ProcessGroup, plan: SubjectPlan): Promise<Subject> {
    const subject = await Subject.prepare(kind, group, plan);
    const [program = '', ...args] = subject.command();
    subject.#child = group.start(program, args, { descriptors: 65_536 });
    await waitForPort(subject.port, subject.#child);
    return subject;
  }

  /** The command line that starts it. */
  command(): string[] {
    return this.kind === 'rp'
      ? [process.execPath, ...rpCommand(this.#file)]
      : ['nginx', '-e', 'stderr', '-c', this.#file];
  }

  /** Writes the configuration anew; `reload` makes it effective. */
  write(plan: SubjectPlan): void {
    writeFileSync(
      this.#file,
      this.kind === 'rp' ? rpSubjectConfig(this.#place, plan) : nginxSubjectConfig(this.#place, plan),
    );
  }

  /** Asks it to read its file again. */
  reload(): void {
    this.#child?.process.kill('SIGHUP');
  }

  /** Asks it to finish what it has and end; gives the exit code. */
  async drain(): Promise<number | string> {
    this.#child?.process.kill(this.kind === 'rp' ? 'SIGTERM' : 'SIGQUIT');
    return (await this.#child?.exited) ?? 'not started';
  }

  /** Ends it. */
  async stop(): Promise<void> {
    if (this.#child) await this.#group.stop(this.#child);
  }

  get alive(): boolean {
    return this.#child !== undefined && isAlive(this.#child.pid);
  }

  /** What it said last on stderr. */
  errors(): string {
    return this.#child?.errors() ?? '';
  }

  /** Resident memory (bytes) and open descriptors of its processes. */
  usage(): { memory: number; descriptors: number } {
    const pids = this.#child ? processTree(this.#child.pid) : [];
    return { memory: residentMemory(pids), descriptors: openDescriptors(pids) };
  }

  /** What rp says of its backends, in the order of the file. */
  async backends(): Promise<readonly BackendFigures[]> {
    const text = await fetchText(this.#place.adminPort, '/stats');
    if (text === undefined) return [];
    const { upstreams } = JSON.parse(text) as { upstreams: { app: { backends: BackendFigures[] } } };
    return upstreams.app.backends;
  }

  /** Every number of the admin listener's `/stats`, by its path in the JSON; undefined where there is none. */
  async stats(): Promise<ReadonlyMap<string, number> | undefined> {
    if (this.kind !== 'rp') return undefined;
    const text = await fetchText(this.#place.adminPort, '/stats');
    return text === undefined ? undefined : flatten(JSON.parse(text));
  }
}

/** The numbers of a JSON value by path, such as `pools.app.idle`. */
export function flatten(
  value: unknown,
  path: string = '',
  into: Map<string, number> = new Map(),
): Map<string, number> {
  if (typeof value === 'number') into.set(path, value);
  else if (typeof value === 'object' && value !== null) {
    for (const [key, each] of Object.entries(value))
      flatten(each, path === '' ? key : `${path}.${key}`, into);
  }
  return into;
}

function fetchText(port: number, path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const ask = request({ host: '127.0.0.1', port, path, timeout: 2000, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve(response.statusCode === 200 ? text : undefined));
      response.on('error', () => resolve(undefined));
    });
    ask.on('timeout', () => ask.destroy());
    // No admin listener (yet): the figures are left out of the record.
    ask.on('error', () => resolve(undefined));
    ask.end();
  });
}

/** Reads `--peer`. Throws for what is none. */
export function subjectKind(text: string): SubjectKind {
  if (text === 'rp' || text === 'nginx') return text;
  throw new RangeError(`--peer takes rp or nginx, not "${text}"`);
}
