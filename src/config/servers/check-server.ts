/** Checks one entry of `mcpServers` before it is written to a file. */
import { readEntry, wrongName } from './mcp-servers.ts';
import type { Problem } from '../problems.ts';

/** Time of a call where nobody says another; which one does not matter to the check. */
const CALL_TIMEOUT_MS = 60_000;

/** What is wrong with an entry, and which variables it needs. */
export interface ServerCheck {
  /** One sentence each, without any value; none when the entry can be used. */
  readonly problems: readonly string[];
  /** Variables that the entry uses and `env` lacks. The node may have them in its own environment. */
  readonly unset: readonly string[];
  /** What is not taken as it is written. */
  readonly remarks: readonly string[];
}

/** Checks `entry` as the node would when it reads it under `name`. */
export function checkMcpServer(name: string, entry: unknown, env: NodeJS.ProcessEnv): ServerCheck {
  const misnamed = wrongName(name);
  if (misnamed !== undefined) return { problems: [misnamed], unset: [], remarks: [] };
  const read = readEntry(name, entry, { env, callTimeoutMs: CALL_TIMEOUT_MS });
  const unset = read.problems.filter(({ variable }) => variable !== undefined);
  // While a variable is missing the value is not known, so its other problems mean nothing.
  const rest = read.problems.filter(({ key }) => !unset.some((problem) => problem.key === key));
  return {
    problems: rest.map((problem) => sentence(problem, name)),
    unset: [...new Set(unset.flatMap(({ variable }) => variable ?? []))],
    remarks: read.remarks,
  };
}

function sentence({ key, text }: Problem, name: string): string {
  const part = key.slice(`mcpServers.${name}`.length).replace(/^\./, '');
  return part === '' ? text : `${part}: ${text}`;
}
