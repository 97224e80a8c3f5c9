import {
  formatProblems,
  parseConfig,
  type LoadOptions,
  type Problem,
  type ProxyConfig,
} from '../src/config/index.ts';

/** Every named file can be read, but those called `missing…`. */
export const files = {
  unreadable: (path: string): string | null => (path.includes('missing') ? 'there is no such file' : null),
  unwritable: (path: string): string | null => (path.includes('missing') ? 'there is no such folder' : null),
};

export const parse = (text: string, options: LoadOptions = {}) =>
  parseConfig(text, { env: {}, files, folder: '/etc/rp', file: 'proxy.yaml', ...options });

/** The configuration of a text that must be valid. */
export const valid = (text: string, options: LoadOptions = {}): ProxyConfig => {
  const { config, problems } = parse(text, options);
  if (config === null) throw new Error(formatProblems(problems));
  return config;
};

/** The mistakes of a text that must not be valid. */
export const mistakes = (text: string, options: LoadOptions = {}): readonly Problem[] =>
  parse(text, options).problems;

export const MINIMAL = `listeners: [{ port: 8080 }]
upstreams: { app: { backends: [{ url: http://127.0.0.1:3000 }] } }
`;

/** The example of the contract, as it is printed there. */
export const CONTRACT = `listeners:
  - { address: 0.0.0.0, port: 8080 }
  - address: 0.0.0.0
    port: 8443
    http2: true
    tls:
      certificates: [{ cert: certs/a.pem, key: certs/a.key }]
      minVersion: TLSv1.2
  - { port: 8081, redirectToHttps: { port: 8443 } }
workers: auto
upstreams:
  app:
    algorithm: round-robin        # weighted-round-robin, least-connections, ip-hash, random
    backends: [{ url: http://127.0.0.1:9001, weight: 1 }]
    healthCheck: { path: /health, interval: 10s, timeout: 5s, failureThreshold: 3, successThreshold: 2 }
    pool: { maxConnections: 32, idleTimeout: 300s, connectTimeout: 5s, onExhausted: queue, queueTimeout: 5s }
    retry: { attempts: 2, budget: 20% }
routes:                            # absent: everything goes to the only upstream
  - { host: app.example.com, path: /, upstream: app }
cache: { enabled: true, maxSize: 100MB, maxEntrySize: 10MB }
timeouts: { header: 10s, body: 30s, response: 60s, idle: 60s, drain: 30s }
limits: { maxConnections: 10000, requestLine: 8KB, headers: 32KB, headerCount: 100, body: 1GB }
trustedProxies: [127.0.0.1/8]
log: { level: info, access: { enabled: true, format: json } }
admin: { address: 127.0.0.1, port: 9901 }
`;
