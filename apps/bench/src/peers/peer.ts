import type { Child, ProcessGroup } from '../process.ts';

/** Files of a certificate made for this run. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
  /** Both in one file, as HAProxy wants it. */
  readonly combined: string;
}

/** What a peer has to do; its configuration follows from this alone. */
export interface PeerContext {
  readonly group: ProcessGroup;
  /** A folder of its own for its files. */
  readonly folder: string;
  /** Port it listens on, loopback only. */
  readonly port: number;
  /** A second free port, for an admin listener. */
  readonly adminPort: number;
  /** Ports of the backends; requests alternate between them. */
  readonly backends: readonly number[];
  readonly tls?: CertificateFiles | undefined;
  readonly http2: boolean;
  readonly cache: boolean;
  /** Core to pin it to. */
  readonly core?: number | undefined;
}

/** A peer that runs and accepts connections. */
export interface RunningPeer {
  readonly port: number;
  /** The process itself; undefined for `direct`, where nothing stands between. */
  readonly child?: Child;
  stop(): Promise<void>;
}

/** What a workload needs of a peer. */
export interface Needs {
  readonly cache: boolean;
  readonly tls: boolean;
  readonly http2: boolean;
}

/** A proxy to compare with. */
export interface Peer {
  readonly name: string;
  /** Undefined when it can be started here, else what is missing. */
  missing(): string | undefined;
  /** Whether it can do such work at all. */
  supports(needs: Needs): boolean;
  /** Name and version for the results. */
  version(): string;
  start(context: PeerContext): Promise<RunningPeer>;
}
