/**
 * Kinds that come with the node, for whichever model somebody gives them: VisionFlow's `coordinator`, `researcher` and
 * `coder`. A kind of the same name in the configuration takes its place. Each may be given any tool that its spawner has,
 * and has none that it was not given.
 */
import type { AgentKind } from '../../config/index.ts';

const OWN_TOOLS = [
  'agent_list',
  'agent_info',
  'agent_message',
  'capability_list',
  'capability_request',
  'board_list',
  'board_get',
  'board_set',
  'events',
  'memory_retrieve',
  'memory_store',
  'broadcast',
  'task_list',
  'task_orchestrate',
  'task_result',
  'task_status',
];
const GIVABLE: readonly string[] = [
  '*',
  'agent:*',
  'agent:@*/*',
  ...OWN_TOOLS.map((tool) => `tool:starling/${tool}`),
];
const STEPS = 20;

const COORDINATOR = [
  'You coordinate. Divide what you are asked for into parts, find out which agents and tools there are for each, have the parts done by them, and put their results together.',
  'Do not do what another agent is better at. Say plainly which part failed and why; never fill a gap with a guess.',
].join('\n');
const RESEARCHER = [
  'You research. Find what is asked for by the tools that you have, compare several sources where there are several, and answer with what you found and where each part of it comes from.',
  'Tell what you found from what you conclude. Where the sources disagree or say nothing, say so.',
].join('\n');
const CODER = [
  'You write and change code. Read what is there before you change it, follow its style, make the smallest change that does what is asked, and check it by the tools that you have (tests, types, a second look).',
  'Say what you changed and what you could not check.',
].join('\n');

function kindOf(instructions: string, capabilities: readonly string[]): AgentKind {
  return {
    problems: [],
    protocol: 'lines',
    tools: GIVABLE,
    capabilities,
    tags: [],
    maxConcurrentTasks: 4,
    maxReplicas: 1,
    strategy: 'one_for_one',
    restarts: 5,
    processes: 1,
    listed: false,
    ownRights: false,
    thinks: { model: '', instructions, steps: STEPS },
  };
}

/** The kinds by name; their `thinks` names no model. */
export const SHIPPED_KINDS: Readonly<Record<string, AgentKind>> = {
  coordinator: kindOf(COORDINATOR, ['coordination', 'planning']),
  researcher: kindOf(RESEARCHER, ['research', 'analysis']),
  coder: kindOf(CODER, ['code', 'review']),
};
