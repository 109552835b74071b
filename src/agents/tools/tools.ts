/** All tools of agents but those of agents that the node runs. */
import { BUILTIN_SERVER } from '../../core/index.ts';
import type { BuiltinTool } from '../../gateway/index.ts';
import { toolResource } from '../../grants/index.ts';
import { announcedTools } from './agent-tools.ts';
import type { AgentToolComponents } from './agent-tools.ts';
import { capabilityTools } from './capability-tools.ts';
import { messageTools } from './message-tools.ts';

/** What whoever has proven who it is may call: the tools decide by the agent that a call is about. */
export const OPEN_AGENT_TOOLS: readonly string[] = ['agent_list', 'agent_message'].map((tool) =>
  toolResource(BUILTIN_SERVER, tool),
);

/** The tools of agents, of their messages, and of capabilities. */
export function agentTools(components: AgentToolComponents): readonly BuiltinTool[] {
  const { agents } = components;
  return [...announcedTools(components), ...messageTools(agents), ...capabilityTools(agents)];
}
