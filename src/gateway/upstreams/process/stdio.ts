/**
 * An upstream server as a child process that speaks newline-delimited JSON-RPC on its standard
 * streams (MCP `transports`, stdio). Never a shell; a process group of its own, so that what it
 * starts ends with it; in a sandbox, so that it can't take the node's secrets.
 */
import { randomUUID } from 'node:crypto';
import { constants } from 'node:os';
import type { StdioServer } from '../../../config/index.ts';
import {
  StarlingError,
  createLineDecoder,
  lastWordsOf,
  messageOf,
  settledWithin,
  withLastWords,
} from '../../../core/index.ts';
import type { Clock, Logger } from '../../../core/index.ts';
import { createLineTurns } from '../../wire/line-turns.ts';
import { createLineWriter } from '../../wire/line-writer.ts';
import { ownIdAtEdge } from '../../wire/edge-id.ts';
import type { ChannelCore } from '../../wire/channel.ts';
import { createServerChannel } from '../server-channel.ts';
import type { ChannelListener } from '../../channel-types.ts';
import type { UpstreamConnection } from '../connection-types.ts';
import type { ProcessHooks } from './process-hooks.ts';
import type { Children } from './process-record.ts';
import { MARK_VARIABLE, signalGroup, signalMarked, signalWithin } from './process-group.ts';
import { isOutdated, remedyInside } from '../sandbox/failed-inside.ts';
import { bareLaunch, notFound } from '../sandbox/sandbox.ts';
import type { Launch, Sandbox } from '../sandbox/sandbox.ts';
import { startProcess } from './start-process.ts';
import type { PipedProcess } from './start-process.ts';

/** Variables that a server gets besides its configured ones; everything else stays with us. */
const INHERITED =
  process.platform === 'win32'
    ? [
        'APPDATA',
        'HOMEDRIVE',
        'HOMEPATH',
        'LOCALAPPDATA',
        'PATH',
        'PATHEXT',
        'PROCESSOR_ARCHITECTURE',
        'SYSTEMDRIVE',
        'SYSTEMROOT',
        'TEMP',
        'USERNAME',
        'USERPROFILE',
      ]
    : [
        'HOME',
        'LANG',
        'LOGNAME',
        'PATH',
        'SHELL',
        'TERM',
        'TMPDIR',
        'USER',
        // Where a company's certificates lie: without these `npx` and `uvx` reach no registry there.
        'NODE_EXTRA_CA_CERTS',
        'SSL_CERT_DIR',
        'SSL_CERT_FILE',
      ];
const STDERR_LINES = 20;
const STDERR_LINE_BYTES = 2000;
/** Bytes that may wait for a server that does not read. */
const QUEUE_BYTES_MAX = 64 * 1024 * 1024;
/**
 * How long a server has to end by itself after its input ended, and once more after SIGTERM; then it is
 * killed. Longer keeps whoever stops a node waiting for more than two seconds, the doors included that stop
 * before; shorter kills servers that would have saved their work.
 */
const GRACE_MS = 800;
/** How long a server that has not answered yet has to end after SIGTERM: there is no work of its to be saved. */
const START_GRACE_MS = 500;
/** How long the output of a server that has ended may go on, where somebody else holds it. */
const DRAIN_MS = 500;
/** In `data.reason` of a server that did not start because its sandbox was planned before a path went away. */
export const OUTDATED = 'sandbox-outdated';
/** In `data.reason` of a message that came when its server had ended, or was about to. */
const UNSENT = 'unsent';
/** Exit codes above this one tell a signal. */
const SIGNALLED = 128;

/** What a stdio upstream works with. */
export interface StdioComponents {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly listener: ChannelListener;
  /** Absent: the process runs with all rights of this one. */
  readonly sandbox?: Sandbox | undefined;
  /** Where the process is noted; absent: nowhere. */
  readonly children?: Children | undefined;
  readonly hooks?: ProcessHooks | undefined;
}

/** Bounds and names of a stdio upstream. */
export interface StdioInit {
  readonly name: string;
  readonly server: StdioServer;
  readonly messageBytes: number;
  readonly callTotalMs: number;
  readonly callsMax: number;
}

/** Starts the process. Resolves when it runs. @throws STARLING_UPSTREAM_UNAVAILABLE when it can't start */
export async function connectStdio(
  components: StdioComponents,
  init: StdioInit,
): Promise<UpstreamConnection> {
  const { server } = init;
  const env = environmentOf(server);
  const launch = (await components.sandbox?.launch(init.name, server, env)) ?? bareLaunch(server);
  // A sandbox ends with all that is in it; elsewhere processes are found by their mark.
  const mark = launch.kind === 'none' ? randomUUID() : undefined;
  const marked = mark === undefined ? env : { ...env, [MARK_VARIABLE]: mark };
  const { hooks } = components;
  const child = startProcess({ ...launched(launch, hooks), cwd: server.cwd, env: marked });
  const forget = child.pid === undefined ? undefined : components.children?.note(child.pid, mark);
  child.once('close', () => {
    forget?.();
    launch.ended?.();
  });
  await started(child, init);
  if (child.pid !== undefined) hooks?.spawned?.(child.pid);
  return new StdioConnection(components, init, { child, launch, mark });
}

/** Whether `error` is why a message came to no program: to none that ran yet, or to one that had ended before it came. */
export function cameToNobody({ data: { reason } }: StarlingError): boolean {
  return reason === OUTDATED || reason === UNSENT;
}

function unsent({ code, message, hint, data }: StarlingError): StarlingError {
  return new StarlingError(code, message, {
    ...(hint === undefined ? {} : { hint }),
    data: { ...data, reason: UNSENT },
  });
}

/** What is started, with what starts it. */
function launched(launch: Launch, hooks: ProcessHooks | undefined): Launch {
  const [command, ...args] = hooks?.within ?? [];
  if (command === undefined) return launch;
  return { ...launch, command, args: [...args, launch.command, ...launch.args] };
}

/** A process, and how it is known. */
interface Started {
  readonly child: PipedProcess;
  readonly launch: Launch;
  /** What all carry that the process starts; absent in a sandbox. */
  readonly mark: string | undefined;
}

class StdioConnection implements UpstreamConnection {
  readonly channel: ChannelCore;
  readonly pid: number;
  readonly ended: Promise<StarlingError>;
  readonly #components: StdioComponents;
  readonly #init: StdioInit;
  readonly #child: PipedProcess;
  readonly #launch: Launch;
  readonly #mark: string | undefined;
  readonly #secrets: readonly string[];
  readonly #stderr: string[] = [];
  #garbage = 0;
  #closing = false;
  #isReady = false;

  constructor(components: StdioComponents, init: StdioInit, { child, launch, mark }: Started) {
    this.#components = components;
    this.#init = init;
    this.#child = child;
    this.#launch = launch;
    this.#mark = mark;
    this.pid = child.pid ?? 0;
    this.#secrets = Object.values(init.server.env)
      .map((secret) => secret.reveal())
      .filter((value) => value.length >= 4);
    const writer = createLineWriter((chunk) => {
      child.stdin.write(chunk);
    });
    this.channel = createServerChannel(components, init, {
      send: (message) => {
        if (child.stdin.writableLength > QUEUE_BYTES_MAX) throw this.#deaf();
        if (!child.stdin.writable) throw unsent(this.#gone());
        this.#send(writer, message);
      },
      invalid: (bytes) => {
        this.#garbage += 1;
        components.hooks?.wrote?.(this.#clean(bytes.toString('utf8', 0, STDERR_LINE_BYTES)));
      },
      oddity: () => this.oddity(),
    });
    this.#read();
    this.ended = this.#untilEnd();
  }

  oddity(): string | undefined {
    if (this.#garbage === 0) return undefined;
    return `it printed ${this.#garbage} ${this.#garbage === 1 ? 'line that is' : 'lines that are'} not JSON-RPC on standard output`;
  }

  negotiated(): void {
    this.#isReady = true;
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#child.stdin.end();
    if (this.#isReady && (await this.#endsWithin(GRACE_MS))) return;
    this.#signal('SIGTERM');
    if (await this.#endsWithin(this.#isReady ? GRACE_MS : START_GRACE_MS)) return;
    this.#signal('SIGKILL');
    await this.ended;
  }

  #read(): void {
    const lines = createLineTurns(
      createLineDecoder(this.#init.messageBytes, {
        line: (bytes) => this.#receive(bytes),
        oversize: (_, head, tail) => this.#oversize(head, tail),
      }),
    );
    this.#child.stdout.on('data', (chunk: Buffer) => lines.push(chunk));
    // A server may end right after an answer, whose line has no end then.
    this.#child.stdout.once('end', () => lines.end());
    // What was read before somebody cut it off counts.
    this.#child.stdout.once('close', () => lines.catchUp());
    const errors = createLineDecoder(STDERR_LINE_BYTES, {
      line: (bytes) => this.#note(bytes.toString('utf8')),
      oversize: (_, head) => this.#note(`${head.toString('utf8')}…`),
    });
    this.#child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
    this.#child.stderr.once('end', () => errors.end());
    // A pipe that breaks is told by the process's end.
    for (const stream of [this.#child.stdin, this.#child.stdout, this.#child.stderr]) {
      stream.on('error', (error) =>
        this.#components.logger.debug({ error: messageOf(error) }, 'pipe of upstream broke'),
      );
    }
  }

  #send(writer: ReturnType<typeof createLineWriter>, message: Buffer): void {
    const { codec } = this.#components.hooks ?? {};
    if (codec === undefined) return writer.line(message);
    const { line, answer } = codec.toProgram(message);
    if (line !== undefined) writer.line(line);
    // After the request is known to the channel.
    if (answer !== undefined) queueMicrotask(() => this.channel.receive(answer));
  }

  #receive(bytes: Buffer): void {
    const { codec, wrote } = this.#components.hooks ?? {};
    if (codec === undefined) return this.channel.receive(bytes);
    const message = codec.fromProgram(bytes);
    if (message !== undefined) this.channel.receive(message);
    else wrote?.(this.#clean(bytes.toString('utf8', 0, STDERR_LINE_BYTES)));
  }

  #clean(line: string): string {
    return this.#secrets.reduce((text, secret) => text.replaceAll(secret, '***'), line);
  }

  #note(line: string): void {
    const clean = this.#clean(line);
    this.#stderr.push(clean);
    if (this.#stderr.length > STDERR_LINES) this.#stderr.shift();
    this.#components.hooks?.wrote?.(clean);
    this.#components.logger.debug({ server: this.#init.name, line: clean }, 'upstream wrote');
  }

  /** A message over the limit is dropped. The call that it answers fails; all calls fail where it names none. */
  #oversize(head: Buffer, tail: Buffer): void {
    const error = new StarlingError(
      'STARLING_LIMIT_EXCEEDED',
      `server '${this.#init.name}' sent a message of over ${this.#init.messageBytes} bytes (limits.messageBytes)`,
      {
        hint: 'ask for less at once, or raise limits.messageBytes on the node that owns the server',
        data: { limit: 'limits.messageBytes', server: this.#init.name },
      },
    );
    const id = ownIdAtEdge(head, tail);
    if (id === undefined) this.channel.failAll(error);
    else this.channel.fail(id, error);
  }

  #untilEnd(): Promise<StarlingError> {
    return new Promise((resolve) => {
      let cancelDrain = (): void => undefined;
      this.#child.once('exit', () => {
        // What the server started and left behind ends with the server, and lets go of its output.
        this.#signal('SIGKILL');
        const drained = (): void => {
          this.#child.stdout.destroy();
          this.#child.stderr.destroy();
        };
        // What a server says that is being closed is read by nobody.
        if (this.#closing) drained();
        // A turn later: a busy node may come to the timer before it has read what is there.
        else cancelDrain = this.#components.clock.schedule(DRAIN_MS, () => setImmediate(drained));
      });
      this.#child.once('close', (code, signal) => {
        cancelDrain();
        const gone = this.#gone(code, signal);
        const end = (error: StarlingError): void => {
          this.channel.end(error);
          resolve(error);
        };
        // Why the sandbox ended it may not be found out; that it has ended must be known all the same.
        this.#explained(gone).then(end, () => end(gone));
      });
    });
  }

  /** The end of a process that its sandbox has brought about names the remedy. */
  async #explained(error: StarlingError): Promise<StarlingError> {
    if (this.#closing) return error;
    const { name, server } = this.#init;
    const remedy = await remedyInside(name, server, this.#launch, this.#stderr);
    if (remedy === undefined) return error;
    return new StarlingError(error.code, error.message, {
      hint: remedy,
      data: {
        ...error.data,
        reason: isOutdated(this.#launch, this.#stderr) ? OUTDATED : 'sandbox',
      },
    });
  }

  #gone(code: number | null = null, ended: NodeJS.Signals | null = null): StarlingError {
    const signal = ended ?? this.#signalOf(code);
    const how = this.#closing
      ? 'was stopped'
      : signal !== null
        ? `was ended by ${signal}`
        : code === null
          ? 'is ending'
          : `exited with code ${code}`;
    const last = this.#closing ? undefined : lastWordsOf(this.#stderr);
    return new StarlingError(
      'STARLING_UPSTREAM_UNAVAILABLE',
      withLastWords(`server '${this.#init.name}' ${how}`, last),
      {
        hint: 'its owner sees why by running its command by hand (starling mcp list)',
        data: { server: this.#init.name },
      },
    );
  }

  #deaf(): StarlingError {
    return new StarlingError(
      'STARLING_LIMIT_EXCEEDED',
      `server '${this.#init.name}' does not read its input: ${QUEUE_BYTES_MAX} bytes wait for it`,
      { data: { server: this.#init.name } },
    );
  }

  #endsWithin(waitMs: number): Promise<boolean> {
    return settledWithin(waitMs, this.ended, this.#components.clock);
  }

  /** By which signal a sandboxed process ended: bwrap ends with 128 and its number, as shells do. */
  #signalOf(code: number | null): NodeJS.Signals | null {
    if (this.#launch.kind !== 'bwrap' || code === null || code <= SIGNALLED) return null;
    const names = Object.entries(constants.signals) as [NodeJS.Signals, number][];
    return names.find(([, number]) => number === code - SIGNALLED)?.[0] ?? null;
  }

  /** Signals the whole group, and what has left the group; a group that is gone already is what we want. */
  #signal(signal: NodeJS.Signals): void {
    if (this.#mark !== undefined) signalMarked(this.#mark, signal);
    try {
      if (process.platform === 'win32') this.#child.kill(signal);
      else if (this.#launch.kind === 'bwrap' && signal !== 'SIGKILL')
        signalWithin(this.pid, signal);
      else signalGroup(this.pid, signal);
    } catch (error) {
      this.#components.logger.debug({ error: messageOf(error) }, 'upstream group is gone');
    }
  }
}

function environmentOf(server: StdioServer): NodeJS.ProcessEnv {
  const inherited = INHERITED.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  const own = Object.entries(server.env).map(([name, secret]) => [name, secret.reveal()] as const);
  return Object.fromEntries([...inherited, ...own]);
}

function started(child: PipedProcess, init: StdioInit): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => {
      if ('code' in error && error.code === 'ENOENT')
        reject(notFound(init.name, init.server, error));
      else {
        const what = `server '${init.name}' can't start: ${messageOf(error)}`;
        const hint = `install it, or correct mcpServers.${init.name}.command`;
        const data = { server: init.name };
        reject(
          new StarlingError('STARLING_UPSTREAM_UNAVAILABLE', what, { hint, data, cause: error }),
        );
      }
    });
  });
}
