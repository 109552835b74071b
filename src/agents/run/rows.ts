/** What is kept of agents that the node runs, so that a node that starts again runs them again. */
import type { Fund } from '../../budget/index.ts';
import { isObject, messageOf } from '../../core/index.ts';
import type { Did, JsonObject, Logger } from '../../core/index.ts';
import type { AgentKind, AgentMind } from '../../config/index.ts';
import type { Table, Write } from '../../store/index.ts';
import { isAgentName } from '../names.ts';
import type { ResourcesInit } from './process-limits.ts';

/** What an agent thinks with, and by which scopes it may ask that. */
export interface RunMind extends AgentMind {
  readonly scopes: readonly string[];
}

/** A kind that can be run: with a server, or with a mind. */
export interface RunnableKind extends AgentKind {
  readonly mind?: RunMind;
}

/** The part of an agent that is spread over several nodes which this node has, and whom it obeys. */
export interface RunPart {
  /** See `SpreadClaims.spread`. */
  readonly id: string;
  readonly proof: string;
  /** The node that looks after the parts, and the token of its lease: whoever comes with a lower one is refused. */
  readonly parent: Did;
  readonly token: number;
  readonly strategy: AgentKind['strategy'];
  /** Its parent has ended it; absent in a row that is stopped: the operator of this node has. */
  readonly isEnded?: true;
}

/** An agent that the node runs, as somebody has spawned it. */
export interface RunRow {
  readonly name: string;
  readonly kind: string;
  /** `keyOf` whoever spawned it. */
  readonly owner: string;
  /** How messages call the spawner. */
  readonly ownerName: string;
  readonly tools: readonly string[];
  readonly capabilities: readonly string[];
  /** Processes; the most of them where `least` stands beside. */
  readonly replicas: number;
  /** As many as it always has; the queue says how many more. Absent: `replicas`. */
  readonly least?: number;
  readonly resources: ResourcesInit;
  /** What its spawner wants it to know. */
  readonly config?: JsonObject;
  /** What its spawner wants it to think with in place of what its kind says, and what that one may use of it. */
  readonly thinks?: { readonly model?: string; readonly prompt?: string } & Pick<RunMind, 'scopes'>;
  /** The budgets that its calls count against. */
  readonly fund?: Fund;
  /** Of a part of an agent that is spread over several nodes. */
  readonly part?: RunPart;
  readonly spawnedAt: number;
  /** Stopped by somebody: it stays so when the node starts again. */
  readonly stopped: boolean;
}

const RUN = 'run/';

/** Reads all rows; what is damaged is left out. */
export async function readRows(table: Table, logger: Logger): Promise<readonly RunRow[]> {
  const rows: RunRow[] = [];
  for await (const [key, bytes] of table.entries(RUN)) {
    const row = rowIn(key, bytes, logger);
    if (row !== undefined) rows.push(row);
  }
  return rows;
}

/** Reads the row of one name; undefined where there is none, or it is damaged. */
export async function readRow(
  table: Table,
  logger: Logger,
  name: string,
): Promise<RunRow | undefined> {
  if (!isAgentName(name)) return undefined;
  const bytes = await table.get(RUN + name);
  return bytes === undefined ? undefined : rowIn(RUN + name, bytes, logger);
}

/** By which the row is on the disk. */
export function writeOf(row: RunRow): Write {
  return { key: RUN + row.name, value: Buffer.from(JSON.stringify(row)) };
}

/** By which the row of a name is gone from the disk. */
export function dropOf(name: string): Write {
  return { key: RUN + name };
}

function rowIn(key: string, bytes: Uint8Array, logger: Logger): RunRow | undefined {
  try {
    const row: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    if (!isObject(row) || !isAgentName(String(row['name']))) throw new Error('it has no name');
    return row as unknown as RunRow;
  } catch (error) {
    logger.warn({ key, error: messageOf(error) }, 'a stored agent is damaged, left out');
    return undefined;
  }
}
