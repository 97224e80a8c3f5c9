import { onTestFinished } from 'vitest';
import { H2Client } from './h2-client.ts';
import { startBackend, startProxy, type ProxyOptions, type TestProxy } from './proxy.ts';
import type { BackendScript, Handler, RecordingBackend } from './backend.ts';

export interface H2Pair {
  readonly backend: RecordingBackend;
  readonly proxy: TestProxy;
  /** Takes HTTP/2 with prior knowledge, and HTTP/1. */
  readonly port: number;
  connect(settings?: readonly number[]): Promise<H2Client>;
}

/** A backend with this script, and a proxy in front of it that takes h2c; both end with the test. */
export async function startH2(
  script: BackendScript | Handler = {},
  options: Partial<ProxyOptions> = {},
): Promise<H2Pair> {
  const backend = await startBackend(script);
  const proxy = await startProxy({ ...options, backends: [backend.port] });
  const { port } = await proxy.engine.listen({ address: '127.0.0.1', h2c: true });
  const connect = async (settings: readonly number[] = []): Promise<H2Client> => {
    const client = await H2Client.connect(port, settings);
    onTestFinished(() => client.destroy());
    return client;
  };
  return { backend, proxy, port, connect };
}
