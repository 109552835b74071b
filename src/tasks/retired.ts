/**
 * The tasks of an agent of this node that retires. Its name is free from then on, and whoever takes the name has none of
 * them: what the agent has given ends, and both what it has given and what it has done is nobody's but the operator's.
 */
import { StarlingError } from '../core/index.ts';
import type { Did } from '../core/index.ts';
import { sendersIn } from '../agents/index.ts';
import { chainOf, goneOf, keyOf } from '../guard/index.ts';
import type { Principal } from '../guard/index.ts';
import type { TaskRows } from './rows.ts';
import type { LiveTask } from './life/live-task.ts';
import { hasEnded } from './life/machine.ts';
import { messageKey } from './life/orders.ts';
import type { TaskTable } from './life/task-table.ts';

/** The tasks of the node, and how one is ended. */
export interface RetiredComponents {
  readonly table: TaskTable;
  readonly rows: Pick<TaskRows, 'put'>;
  readonly self: { readonly did: Did };
  /** It is another node's to change. @throws as boards do */
  take(this: void, id: string): Promise<void>;
  /** @throws STARLING_TASK_ENDED, STARLING_STATE_UNUSABLE */
  cancel(this: void, task: LiveTask): Promise<void>;
}

/** On the disk when it resolves. @throws STARLING_STATE_UNUSABLE, and as boards do for durable tasks */
export async function retire(
  components: RetiredComponents,
  agent: Extract<Principal, { kind: 'client' }>,
): Promise<void> {
  const { self, table } = components;
  const links = new Set([...chainOf(agent), ...chainOf(agent, self.did)]);
  const owner = keyOf(agent);
  const found = [...table.all()].filter(
    ({ order, row }) =>
      sendersIn(order.submitter).some((link) => links.has(link)) ||
      row.attempts.some((one) => one.did === self.did && one.owner === owner),
  );
  await Promise.all(found.map((task) => disown(components, task, { agent, links })));
}

async function disown(
  { cancel, rows, self, table, take }: RetiredComponents,
  task: LiveTask,
  {
    agent,
    links,
  }: {
    readonly agent: Extract<Principal, { kind: 'client' }>;
    readonly links: ReadonlySet<string>;
  },
): Promise<void> {
  if (!task.isHere) await take(task.order.id);
  const { durable, submitter } = task.order;
  const senders = sendersIn(submitter);
  if (links.has(senders[0] ?? '') && !hasEnded(task.row)) {
    await cancel(task).catch((error: unknown) => {
      if (!(error instanceof StarlingError) || error.code !== 'STARLING_TASK_ENDED') throw error;
    });
  }
  const gone = goneOf(agent);
  const [link = ''] = chainOf(gone, durable === undefined ? undefined : self.did);
  const left = senders.map((one) => (links.has(one) ? link : one)).join('\n');
  const owners = { from: keyOf(agent), to: keyOf(gone) };
  const event = { type: 'disowned', submitter: left, owners } as const;
  const planned = task.peek(event);
  if (planned === undefined) return;
  const key = messageKey(task.order);
  await rows.put(planned);
  task.apply(event);
  if (key !== undefined) table.release(key);
  // Something else may have been written meanwhile.
  if (task.row.version !== planned.version) await rows.put(task.row);
}
