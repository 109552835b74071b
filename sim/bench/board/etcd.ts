/**
 * etcd (Debian package `etcd-server`) as the rival of strong boards: members as processes on loopback with their own disks,
 * asked by gRPC over HTTP/2 as its own clients do. Fields are those of etcd's rpc.proto (v3.4).
 */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:http2';
import type { ClientHttp2Session } from 'node:http2';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { StrongClient } from './strong-loops.ts';

/** A cluster that runs. */
export interface Etcd {
  readonly title: string;
  /** One for each member. */
  readonly clients: readonly StrongClient[];
  /** Of its members, and of this process, in which those are that ask. */
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

const START_MS = 30_000;
const AGAIN_MS = 100;
/** Fields of protocol buffers that hold bytes. */
const BYTES = 2;
const GRPC_HEAD = 5;

/** Starts so many members with data under `root`; undefined where etcd is not installed. */
export async function startEtcd(count: number, root: string): Promise<Etcd | undefined> {
  const version = versionOfEtcd();
  if (version === undefined) return undefined;
  const ports = await freePorts(count * 2);
  const urls = ports.map((port) => `http://127.0.0.1:${port}`);
  const peers = urls.slice(0, count);
  const cluster = peers.map((url, at) => `m${at}=${url}`).join(',');
  const members = peers.map((peer, at) => {
    const dir = join(root, `etcd-${at}`);
    return startMember(dir, { name: `m${at}`, peer, client: urls[count + at] ?? '', cluster });
  });
  const sessions: ClientHttp2Session[] = [];
  const stop = async (): Promise<void> => {
    for (const session of sessions) session.destroy();
    await Promise.all(members.map(ended));
  };
  try {
    for (const url of urls.slice(count)) sessions.push(await opened(url));
  } catch (error) {
    await stop();
    throw error;
  }
  const pids = [process.pid, ...members.flatMap(({ pid }) => pid ?? [])];
  return { title: `etcd ${version}`, clients: sessions.map(clientOf), pids, stop };
}

function versionOfEtcd(): string | undefined {
  try {
    return /\d+\.\d+\.\d+/.exec(execFileSync('etcd', ['--version'], { encoding: 'utf8' }))?.[0];
  } catch {
    return undefined;
  }
}

interface MemberInit {
  readonly name: string;
  readonly peer: string;
  readonly client: string;
  readonly cluster: string;
}

function startMember(dir: string, { name, peer, client, cluster }: MemberInit): ChildProcess {
  const flags = {
    name,
    'data-dir': dir,
    'listen-peer-urls': peer,
    'initial-advertise-peer-urls': peer,
    'listen-client-urls': client,
    'advertise-client-urls': client,
    'initial-cluster': cluster,
    'initial-cluster-state': 'new',
    'log-level': 'fatal',
  };
  const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
  return spawn('etcd', args, { stdio: 'ignore' });
}

async function ended(member: ChildProcess): Promise<void> {
  if (member.exitCode !== null || member.signalCode !== null) return;
  const exit = once(member, 'exit');
  member.kill('SIGKILL');
  await exit;
}

/** A connection to a member that answers. */
async function opened(url: string): Promise<ClientHttp2Session> {
  const end = performance.now() + START_MS;
  for (;;) {
    const session = connect(url);
    session.on('error', () => undefined);
    try {
      await clientOf(session).get('ready');
      return session;
    } catch (error) {
      session.destroy();
      if (performance.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

function clientOf(session: ClientHttp2Session): StrongClient {
  return {
    async cas(key, version, value) {
      // Compare: result 1 (0: equal), target 2 (0: version), key 3, version 4.
      const compare = [...field(3, Buffer.from(key)), ...number(4, version)];
      const put = [...field(1, Buffer.from(key)), ...field(2, Buffer.from(value))];
      const message = [...field(1, compare), ...field(2, field(2, put))];
      const answer = await call(session, '/etcdserverpb.KV/Txn', message);
      return hasSucceeded(answer);
    },
    async get(key) {
      await call(session, '/etcdserverpb.KV/Range', field(1, Buffer.from(key)));
    },
  };
}

/** One call of gRPC (its specification, "gRPC over HTTP2"). */
async function call(
  session: ClientHttp2Session,
  path: string,
  message: readonly number[],
): Promise<Buffer> {
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  const status: Promise<unknown> = new Promise((resolve, reject) => {
    stream.once('trailers', (headers) => resolve(headers['grpc-status']));
    stream.once('error', reject);
    stream.once('close', () => resolve(undefined));
  });
  const head = Buffer.alloc(GRPC_HEAD);
  head.writeUInt32BE(message.length, 1);
  stream.end(Buffer.concat([head, Buffer.from(message)]));
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  if ((await status) !== '0') throw new Error(`etcd refuses ${path}`);
  return Buffer.concat(chunks).subarray(GRPC_HEAD);
}

/** A field of bytes. */
function field(at: number, bytes: Iterable<number>): readonly number[] {
  const all = [...bytes];
  return [at * 8 + BYTES, ...varint(all.length), ...all];
}

function number(at: number, value: number): readonly number[] {
  return [at * 8, ...varint(value)];
}

function varint(value: number): readonly number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}

/** Whether a TxnResponse has `succeeded`, its field 2, after the header, its field 1. */
function hasSucceeded(bytes: Buffer): boolean {
  const [tag = 0, length = 0] = bytes;
  const at = tag === 8 + BYTES ? length + 2 : 0;
  return bytes[at] === 2 * 8 && bytes[at + 1] === 1;
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  for (const server of servers) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  }
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  for (const server of servers) server.close();
  return ports;
}
