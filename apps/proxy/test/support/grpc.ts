import * as grpc from '@grpc/grpc-js';
import { createHash } from 'node:crypto';
import { onCleanup } from '../run-support.ts';

/** Messages are bytes: no schema is needed to see whether they pass. */
export const bytes = (value: Buffer): Buffer => value;
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
});
export const echo = {
  unary: method('Unary', false, false),
  download: method('Download', false, true),
  upload: method('Upload', true, false),
  talk: method('Talk', true, true),
};

type Unary = grpc.handleUnaryCall<Buffer, Buffer>;
type Download = grpc.handleServerStreamingCall<Buffer, Buffer>;
type Upload = grpc.handleClientStreamingCall<Buffer, Buffer>;
type Talk = grpc.handleBidiStreamingCall<Buffer, Buffer>;

/** What the server saw. */
export class Seen {
  cancelled = 0;
  deadlines: number[] = [];
  metadata: grpc.Metadata | undefined = undefined;
}

function implementation(seen: Seen): grpc.UntypedServiceImplementation {
  const unary: Unary = (call, reply) => {
    seen.metadata = call.metadata;
    const deadline = call.getDeadline();
    seen.deadlines.push(Number(deadline) - Date.now());
    call.on('cancelled', () => seen.cancelled++);
    const text = call.request.toString();
    if (text === 'never') return;
    if (text === 'fail') {
      const metadata = new grpc.Metadata();
      metadata.set('why', 'because');
      return reply({ code: grpc.status.FAILED_PRECONDITION, details: 'no: ä%', metadata });
    }
    const head = new grpc.Metadata();
    head.set('in-head', 'h');
    head.set('in-head-bin', Buffer.from([0, 255, 7]));
    call.sendMetadata(head);
    const tail = new grpc.Metadata();
    tail.set('in-trailers', 't');
    reply(null, call.request, tail);
  };
  const download: Download = (call) => {
    call.on('cancelled', () => seen.cancelled++);
    const count = call.request.readUInt32BE();
    if (count === 0xffffffff) {
      call.write(Buffer.from('first'));
      return;
    }
    let at = 0;
    const send = (): void => {
      while (at < count) {
        const message = Buffer.alloc(10_000);
        message.writeUInt32BE(at++);
        if (!call.write(message)) return void call.once('drain', send);
      }
      call.end();
    };
    send();
  };
  const upload: Upload = (call, reply) => {
    const sum = createHash('sha256');
    call.on('data', (message: Buffer) => sum.update(message));
    call.on('end', () => reply(null, sum.digest()));
  };
  const talk: Talk = (call) => {
    call.on('cancelled', () => seen.cancelled++);
    call.on('data', (message: Buffer) => call.write(Buffer.concat([Buffer.from('re: '), message])));
    call.on('end', () => call.end());
  };
  return { unary, download, upload, talk };
}

/** Starts a server that ends with the test. */
export async function startServer(
  seen: Seen,
  credentials = grpc.ServerCredentials.createInsecure(),
): Promise<number> {
  const server = new grpc.Server();
  server.addService(echo, implementation(seen));
  onCleanup(() => server.forceShutdown());
  return new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
}

export interface UnaryResult {
  readonly error: grpc.ServiceError | null;
  readonly value: Buffer | undefined;
  readonly head: grpc.Metadata | undefined;
  readonly status: grpc.StatusObject;
}

/** One unary call, and all that came of it. */
export function ask(
  client: grpc.Client,
  request: Buffer,
  metadata = new grpc.Metadata(),
  options: grpc.CallOptions = {},
): Promise<UnaryResult> {
  return new Promise((resolve) => {
    let answer: Pick<UnaryResult, 'error' | 'value'> | undefined;
    let head: grpc.Metadata | undefined;
    let status: grpc.StatusObject | undefined;
    const done = (): void => {
      if (answer !== undefined && status !== undefined) resolve({ ...answer, head, status });
    };
    const call = client.makeUnaryRequest(
      echo.unary.path,
      bytes,
      bytes,
      request,
      metadata,
      options,
      (error, value) => {
        answer = { error, value };
        done();
      },
    );
    call.on('metadata', (got) => (head = got));
    call.on('status', (got) => {
      status = got;
      done();
    });
  });
}
