/** The program of an agent that does tasks, over the socket of its node: what it is given and answers goes into a history. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Json } from '../src/index.ts';
import type { Control } from './scenario/control.ts';
import type { Seen } from './task-history.ts';

/** What agents of benchmarks and scenarios can do. */
export const WORK = 'work';
const AT_ONCE = 64;
const CALL_MS = 20_000;
/** Messages that are read, and answered, at a time. */
const PAGE = 100;
const INBOX_S = 2;
const AGAIN_MS = 100;

/** What the program is told, and whom it tells. */
export interface TaskWorkerInit {
  readonly agent: string;
  readonly seen: Seen[];
  /** How long a task takes it, ms. */
  serviceMs(this: void): number;
  /** False: its node is gone, or the program has ended. */
  isOn(): boolean;
  /** Hears of a task as soon as it is given. */
  readonly began?: (id: string) => void;
}

interface Page {
  readonly cursor: string;
  readonly messages: readonly {
    readonly id: string;
    readonly metadata: { readonly task?: { readonly id: string; readonly token: number } };
  }[];
}

/** What the agent of a node is called. */
export function workerOf(node: string): string {
  return `worker-${node}`;
}

/** Announces the agent, and has it do what comes, until its node is gone. */
export async function startTaskWorker(control: Control, init: TaskWorkerInit): Promise<void> {
  await control.builtin('agent_announce', {
    name: init.agent,
    capabilities: [WORK, 'tasks.*'],
    listed: true,
    maxConcurrentTasks: AT_ONCE,
  });
  void work(control, init);
}

async function work(control: Control, init: TaskWorkerInit): Promise<void> {
  let cursor: string | undefined;
  const answers = createAnswers(control, init.agent);
  while (init.isOn()) {
    const args = {
      name: init.agent,
      timeout_s: INBOX_S,
      limit: PAGE,
      ...(cursor === undefined ? {} : { cursor }),
    };
    const end = await control.call('starling__agent_inbox', args, CALL_MS);
    if (end.kind === 'gone') return;
    if (end.kind !== 'answer') {
      await wait(AGAIN_MS);
      continue;
    }
    const page = end.structured as Page;
    ({ cursor } = page);
    for (const message of page.messages) void doTask(answers, message, init);
  }
}

/** Numbers of runs in this process: no two have the same answer, so that it shows whose counts. */
let runs = 0;

/** Gives an answer to a message. */
type Answers = (inReplyTo: string, result: Json) => Promise<void>;

/** Answers that come at the same time go in one call. */
function createAnswers(control: Control, agent: string): Answers {
  const waiting: { readonly inReplyTo: string; readonly message: Json }[] = [];
  let sending: Promise<void> | undefined;
  const send = async (): Promise<void> => {
    await new Promise((resolve) => void setImmediate(resolve));
    sending = undefined;
    const responses = waiting.splice(0, PAGE);
    if (waiting.length > 0) sending = send();
    await control.call('starling__agent_message', { responses, from: agent }, CALL_MS);
  };
  return (inReplyTo, message) => {
    waiting.push({ inReplyTo, message });
    sending ??= send();
    return sending;
  };
}

async function doTask(
  answer: Answers,
  { id: inReplyTo, metadata }: Page['messages'][number],
  { agent, began, seen, serviceMs }: TaskWorkerInit,
): Promise<void> {
  if (metadata.task === undefined) return;
  const { id, token } = metadata.task;
  began?.(id);
  seen.push({ t: 'began', id, token });
  const ms = serviceMs();
  if (ms > 0) await wait(ms);
  runs += 1;
  const result: Json = { by: agent, token, run: runs };
  seen.push({ t: 'answered', id, token, result });
  await answer(inReplyTo, result);
}
