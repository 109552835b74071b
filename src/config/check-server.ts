/** Checks one entry of `mcpServers` before it is written to a file. */
import { readMcpServers, wrongName } from './mcp-servers.ts';
import { explain } from './problems.ts';
import type { Problem } from './problems.ts';
import { fileSchema } from './schema.ts';

/** What is wrong with an entry, and which variables it needs. */
export interface ServerCheck {
  /** One sentence each, without any value; none when the entry can be used. */
  readonly problems: readonly string[];
  /** Variables that the entry uses and `env` lacks. The node may have them in its own environment. */
  readonly unset: readonly string[];
}

/** Checks `entry` as the node would when it reads it under `name`. */
export function checkMcpServer(name: string, entry: unknown, env: NodeJS.ProcessEnv): ServerCheck {
  const misnamed = wrongName(name);
  if (misnamed !== undefined) return { problems: [misnamed], unset: [] };
  const tree = { mcpServers: { [name]: entry } };
  const parsed = fileSchema.safeParse(tree);
  if (!parsed.success) {
    const found = parsed.error.issues.flatMap((issue) => explain(issue, tree));
    return { problems: found.map((problem) => sentence(problem, name)), unset: [] };
  }
  const found: Problem[] = [];
  const { mcpServers, limits } = parsed.data;
  readMcpServers(mcpServers, { env, callTimeoutMs: limits.callTimeoutMs }, found);
  const unset = found.filter(({ variable }) => variable !== undefined);
  // While a variable is missing the value is not known, so its other problems mean nothing.
  const rest = found.filter(({ key }) => !unset.some((problem) => problem.key === key));
  return {
    problems: rest.map((problem) => sentence(problem, name)),
    unset: [...new Set(unset.flatMap(({ variable }) => variable ?? []))],
  };
}

function sentence({ key, text }: Problem, name: string): string {
  const part = key.slice(`mcpServers.${name}`.length).replace(/^\./, '');
  return part === '' ? text : `${part}: ${text}`;
}
