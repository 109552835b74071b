/** Programs of agents that a test plays: what they were given, what they answer, and when they end. */
import type { AgentKind } from '../../../src/config/index.ts';
import { StarlingError } from '../../../src/core/index.ts';
import type { Json, JsonObject } from '../../../src/core/index.ts';
import type { AgentProcess, AgentStart } from '../../../src/gateway/index.ts';

/** A message that a program was given. */
export interface Given {
  readonly message: JsonObject;
  answer(answer: Json): void;
}

/** A process that the test plays. */
export interface Program {
  readonly init: AgentStart;
  readonly given: Given[];
  /** `reason` is in the error's data, as of a process that its sandbox did not let start. */
  dies(why: string, reason?: string): void;
  /** The node has ended it. */
  isClosed: boolean;
  /** It has ended by itself. */
  isDead: boolean;
}

/** A kind of agents whose program the test plays. */
export const kind = (more: Partial<AgentKind> = {}): AgentKind => ({
  server: { type: 'stdio', command: 'coder', args: [], env: {} } as unknown as AgentKind['server'] &
    object,
  problems: [],
  protocol: 'lines',
  tools: ['tool:files/*'],
  capabilities: ['code'],
  tags: [],
  maxConcurrentTasks: 1,
  maxReplicas: 3,
  strategy: 'one_for_one',
  restarts: 5,
  processes: 512,
  listed: false,
  ownRights: false,
  ...more,
});

/** Lets what is on its way arrive. */
export const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((next) => setImmediate(next));
};

/** Starts a program that the test plays; `failing` is what a start throws. */
export async function playedBy(
  programs: Program[],
  init: AgentStart,
  made: { readonly failing: StarlingError | undefined },
): Promise<AgentProcess> {
  const { failing } = made;
  if (failing !== undefined) throw failing;
  const given: Given[] = [];
  const waiting = new Set<(error: StarlingError) => void>();
  let end: (error: StarlingError) => void = () => undefined;
  const ended = new Promise<StarlingError>((resolve) => {
    end = resolve;
  });
  const over = (why: string, reason?: string): void => {
    const data = reason === undefined ? {} : { reason };
    const error = new StarlingError('STARLING_UPSTREAM_UNAVAILABLE', why, { data });
    for (const fail of waiting) fail(error);
    end(error);
  };
  const program: Program = {
    init,
    given,
    dies(why, reason) {
      program.isDead = true;
      over(why, reason);
    },
    isClosed: false,
    isDead: false,
  };
  programs.push(program);
  init.spawned(4000 + programs.length);
  return {
    pid: 4000 + programs.length,
    ended,
    deliver: (message) =>
      new Promise((resolve, reject) => {
        waiting.add(reject);
        given.push({ message, answer: (answer) => resolve(answer) });
      }),
    async close() {
      program.isClosed = true;
      over('it was stopped');
    },
  };
}
