/** Kinds of agents in the configuration, made into what is run; variables expanded. */
import type { Secret } from '../core/index.ts';
import type { WrittenKind } from './schema/agents-schema.ts';
import { readEntry } from './servers/mcp-servers.ts';
import type { ReadServersInit } from './servers/mcp-servers.ts';
import type { AgentKind, AgentMind, LearningSettings } from './agent-types.ts';

/** The kinds, each read by itself: one that can't be used says why when somebody spawns it. */
export function readAgentKinds(
  kinds: Readonly<Record<string, WrittenKind>>,
  init: ReadServersInit,
): Readonly<Record<string, AgentKind>> {
  return Object.fromEntries(
    Object.entries(kinds).map(([name, kind]) => [name, readKind(name, kind, init)]),
  );
}

function readKind(name: string, kind: WrittenKind, init: ReadServersInit): AgentKind {
  const { command: program, args: given, env: variables, envFile: file, cwd: folder } = kind;
  const { sandbox: rules, cpu, memory } = kind;
  if (kind.model !== undefined) return { ...sharedOf(kind), problems: [], thinks: mindOf(kind) };
  const entry = present({
    type: 'stdio',
    command: program,
    args: given,
    env: variables,
    envFile: file,
    cwd: folder,
    sandbox: rules,
  });
  const { server, problems } = readEntry(name, entry, init);
  const said = problems.map(
    ({ key, text: why }) => `${key.replace('mcpServers.', 'agents.kinds.')}: ${why}`,
  );
  return {
    ...(server?.type === 'stdio' ? { server } : {}),
    ...sharedOf(kind),
    problems: said,
    ...(cpu === undefined ? {} : { cpu }),
    ...(memory === undefined ? {} : { memory }),
  };
}

/** What a kind says whatever its agents are made of. */
function sharedOf({
  protocol,
  tools,
  capabilities,
  tags,
  maxConcurrentTasks,
  maxReplicas,
  strategy,
  restarts,
  listed,
  processes,
  ownRights,
}: WrittenKind): Omit<AgentKind, 'problems'> {
  return {
    protocol,
    tools,
    capabilities,
    tags,
    maxConcurrentTasks,
    maxReplicas,
    strategy,
    restarts,
    listed,
    processes,
    ownRights,
  };
}

function mindOf({ learning, model = '', instructions, prompt, steps }: WrittenKind): AgentMind {
  return {
    model,
    steps,
    ...given({ instructions, prompt }),
    ...(learning === undefined ? {} : { learning: learningOf(learning) }),
  };
}

function learningOf(written: NonNullable<WrittenKind['learning']>): LearningSettings {
  const ways = Object.entries(written.ways).map(([name, way]) => [name, given(way)] as const);
  // What a JSON file has is JSON.
  const answers = written.answers as LearningSettings['answers'];
  return { ...written, ways: Object.fromEntries(ways), answers };
}

/** The kinds with their secrets from `bind`. */
export function mapKindSecrets(
  kinds: Readonly<Record<string, AgentKind>>,
  bind: (secret: Secret) => Secret,
): Readonly<Record<string, AgentKind>> {
  return Object.fromEntries(
    Object.entries(kinds).map(([name, kind]) => {
      const { server } = kind;
      if (server === undefined) return [name, kind];
      const env = Object.fromEntries(
        Object.entries(server.env).map(([key, secret]) => [key, bind(secret)]),
      );
      return [name, { ...kind, server: { ...server, env } }];
    }),
  );
}

/** Those members that are there. */
function given<T extends object>(
  values: T,
): { readonly [Key in keyof T]?: Exclude<T[Key], undefined> } {
  const there = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(there) as { [Key in keyof T]?: Exclude<T[Key], undefined> };
}

function present(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
