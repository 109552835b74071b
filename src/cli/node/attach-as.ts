/**
 * The first words on the node's own socket: for whom a process comes. Sent before anything else, and
 * answered before anything else is read, so that no bytes of an MCP client can be taken for them.
 */
import type { Socket } from 'node:net';
import { ATTACH_METHOD } from '../../config/client-names.ts';
import { systemClock } from '../../core/time/clock.ts';
import { StarlingError, messageOf } from '../../core/errors.ts';
import type { Json, JsonObject } from '../../core/json/json.ts';
import { isObject } from '../../core/json/value-checks.ts';
import { errorFrom } from './answered-error.ts';

const ANSWER_BYTES_MAX = 64 * 1024;
/** A node that takes longer hangs. */
const TIMEOUT_MS = 10_000;
const LINE_END = 0x0a;
/** JSON-RPC 2.0 §5.1: what a node of before answers, to whom nobody said that it comes. */
const NOT_KNOWN: readonly unknown[] = [-32600, -32601];

/**
 * Says on `socket` for whom this process comes: `operator`, or `client:<name>`. Resolves with what the
 * node takes it for; undefined where the node is older than the question, and takes everybody for its
 * operator. @throws the error that the node answered, STARLING_NODE_UNREACHABLE
 */
export async function attachAs(socket: Socket, as: string): Promise<string | undefined> {
  const id = ATTACH_METHOD;
  socket.write(
    `${JSON.stringify({ jsonrpc: '2.0', id, method: ATTACH_METHOD, params: { as } })}\n`,
  );
  const answer = readAnswer(await firstLine(socket));
  const { result, error } = answer;
  if (isObject(error)) {
    if (NOT_KNOWN.includes(error['code']) && answer['id'] === id) return undefined;
    throw errorFrom(error);
  }
  const principal = isObject(result) ? result['principal'] : undefined;
  if (typeof principal === 'string') return principal;
  throw odd('what says nothing of who this is');
}

function readAnswer(line: Buffer): JsonObject {
  try {
    const message = JSON.parse(line.toString('utf8')) as Json;
    return isObject(message) ? message : {};
  } catch (error) {
    throw odd(`what is not JSON (${messageOf(error)})`);
  }
}

/** The first message that comes; what comes after it stays on the socket. */
function firstLine(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let got = Buffer.alloc(0);
    const finish = (error: Error | undefined): void => {
      stopTimer();
      socket.pause();
      socket.off('data', more).off('end', ended).off('close', ended).off('error', failed);
      if (error === undefined) return;
      socket.destroy();
      reject(error);
    };
    const failed = (error: Error): void => finish(gone(error));
    const ended = (): void => finish(gone());
    const more = (chunk: Buffer): void => {
      got = Buffer.concat([got, chunk]);
      const end = got.indexOf(LINE_END);
      if (end === -1) {
        if (got.length > ANSWER_BYTES_MAX) finish(odd('a message without end'));
        return;
      }
      const rest = got.subarray(end + 1);
      finish(undefined);
      if (rest.length > 0) socket.unshift(rest);
      resolve(got.subarray(0, end));
    };
    const stopTimer = systemClock.schedule(TIMEOUT_MS, () => finish(late()));
    socket.on('data', more).on('end', ended).on('close', ended).on('error', failed);
  });
}

function gone(cause?: Error): StarlingError {
  return new StarlingError('STARLING_NODE_UNREACHABLE', 'the node has closed the connection', {
    hint: 'see whether it still runs: starling status',
    ...(cause === undefined ? {} : { cause }),
  });
}

function late(): StarlingError {
  return new StarlingError('STARLING_TIMEOUT', `no answer within ${TIMEOUT_MS / 1000} s`, {
    hint: 'see what is wrong: starling doctor',
  });
}

function odd(what: string): StarlingError {
  return new StarlingError('STARLING_PROTOCOL_VIOLATION', `the node answered with ${what}`, {
    hint: 'see that starling and the node are of one version: starling --version, starling status',
  });
}
