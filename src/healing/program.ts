/**
 * The healer as a program that a node runs as an agent (`starling agent healer`), by the line protocol of docs/agents.md:
 * what it may do is what its kind may, and the node judges each call.
 */
import type { Readable, Writable } from 'node:stream';
import { z } from 'zod';
import { StarlingError, createLineDecoder, isObject, misfitText, within } from '../core/index.ts';
import type { Clock, Json, JsonObject } from '../core/index.ts';
import { createHealer } from './healer.ts';
import type { Healer } from './healer.ts';
import type { CallTool } from './types.ts';

const WATCHED_MAX = 64;
/** Longest line that the node may send. */
const LINE_BYTES_MAX = 16 * 1024 * 1024;
const name = z.string().min(1).max(64);
const ms = z.number().int().min(0).max(86_400_000);

const CONFIG = z.strictObject({
  watch: z
    .array(z.strictObject({ node: name.optional(), server: name }))
    .min(1)
    .max(WATCHED_MAX),
  board: z.string().min(1).max(128).optional(),
  restarts: z.number().int().min(1).max(100).default(3),
  withinMs: ms.default(600_000),
  steadyMs: ms.default(3000),
});

/** What the program stands on. */
export interface ProgramInit {
  readonly env: NodeJS.ProcessEnv;
  readonly input: Readable;
  readonly output: Writable;
  readonly clock: Clock;
}

/** Runs until the node ends it. @throws STARLING_USAGE without what it should look after */
export async function runHealer({ clock, env, input, output }: ProgramInit): Promise<void> {
  const config = readConfig(env['AGENT_CONFIG']);
  const node = createLines(output, clock);
  const healer = createHealer(
    {
      call: node.call,
      clock,
      say: (text) => {
        output.write(`${text}\n`);
      },
    },
    { name: env['AGENT_NAME'] ?? 'healer', ...config },
  );
  const decoder = createLineDecoder(LINE_BYTES_MAX, {
    line: (bytes) => node.receive(bytes, healer, config.watch),
    // No answer to a call of ours is so long: who waits for it is told by its own time limit.
    oversize: (bytes) => {
      output.write(`a line of ${bytes} bytes is not read\n`);
    },
  });
  healer.start();
  for await (const chunk of input) decoder.push(chunk as Buffer);
  node.end();
  await healer.stop();
}

/** @throws STARLING_USAGE */
function readConfig(text: string | undefined): z.output<typeof CONFIG> {
  const hint = 'docs/self-healing.md shows what a healer is told (agent spawn --tell)';
  let told: unknown;
  try {
    told = JSON.parse(text ?? '');
  } catch (error) {
    const why =
      'a healer is started by a node, which says in AGENT_CONFIG what is to be looked after';
    throw new StarlingError('STARLING_USAGE', why, { hint, cause: error });
  }
  const read = CONFIG.safeParse(told);
  if (read.success) return read.data;
  const wrong = read.error.issues.map((issue) => misfitText(issue, 'what it is told'));
  throw new StarlingError('STARLING_USAGE', `a healer can't be told this: ${wrong.join('; ')}`, {
    hint,
  });
}

interface Lines {
  readonly call: CallTool;
  receive(line: Buffer, healer: Healer, watch: Json): void;
  /** Nothing comes any more: calls under way fail. */
  end(): void;
}

function createLines(output: Writable, clock: Clock): Lines {
  const waiting = new Map<
    string,
    { resolve: (value: JsonObject) => void; reject: (error: Error) => void }
  >();
  let calls = 0;
  const send = (line: JsonObject): void => {
    output.write(`${JSON.stringify(line)}\n`);
  };
  return {
    async call(tool, args, timeoutMs) {
      calls += 1;
      const id = `c${calls}`;
      const answered = new Promise<JsonObject>((resolve, reject) => {
        waiting.set(id, { resolve, reject });
      });
      send({ id, call: tool, arguments: args });
      try {
        return await within(timeoutMs, answered, clock);
      } finally {
        waiting.delete(id);
      }
    },
    receive(line, healer, watch) {
      const said: unknown = JSON.parse(line.toString('utf8'));
      if (!isObject(said)) return;
      const { error, id, result } = said as JsonObject;
      if (id === undefined || id === null) return;
      const one = waiting.get(String(id));
      if (one === undefined) {
        // A message: whatever it says, the answer is how things stand.
        send({ id, answer: { watch, incidents: healer.incidents() as unknown as Json } });
      } else if (error !== undefined) {
        one.reject(new Error(typeof error === 'string' ? error : JSON.stringify(error)));
      } else one.resolve(isObject(result) ? result : { text: result ?? null });
    },
    end() {
      for (const { reject } of waiting.values()) reject(new Error('the node has ended the healer'));
    },
  };
}
