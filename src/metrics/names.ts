/**
 * The figures that a node tells, as one closed table: names, kinds, and for each label all words that it can have. No
 * label has an id, a name that somebody chose, or a text of a peer: the number of series is known before the node runs.
 * Units as Prometheus wants them: seconds, bytes; what only grows ends in `_total`.
 */
import { TASK_STATES } from '../tasks/index.ts';

/** One figure; `labels` holds all words that each of its labels can have. */
export interface Figure {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: Readonly<Record<string, readonly string[]>>;
}

/** Tools, resources, prompts, and all else that a caller asks for. */
export const CALL_KINDS = ['tool', 'resource', 'prompt', 'other'] as const;
/** Where the server of a call is. */
export const CALL_PLACES = ['here', 'peer'] as const;
/** How a call ended. */
export const CALL_OUTCOMES = ['ok', 'failed', 'refused', 'cancelled'] as const;
/** Upper ends of the classes of times, in seconds. */
export const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60];

const CALL = { kind: CALL_KINDS, place: CALL_PLACES };
const UNITS = ['tokens', 'calls', 'usd'];

/** All figures, in the order in which they are told. */
export const FIGURES = {
  info: figure('gauge', 'starling_info', 'The release that runs; always 1.', { version: [] }),
  calls: figure('counter', 'starling_calls_total', 'Calls that have ended.', {
    ...CALL,
    outcome: CALL_OUTCOMES,
  }),
  callSeconds: figure('histogram', 'starling_call_seconds', 'How long calls took here.', CALL),
  callsNow: figure('gauge', 'starling_calls_under_way', 'Calls that have not ended.'),
  sessions: figure('gauge', 'starling_sessions', 'Open sessions of MCP, by the door.', {
    door: ['http', 'peer', 'socket', 'tcp'],
  }),
  peers: figure('gauge', 'starling_peers', 'Peers that the node knows.', {
    state: ['alive', 'suspect', 'dead', 'left'],
  }),
  servers: figure('gauge', 'starling_servers', 'MCP servers of the node, by their state.', {
    state: ['starting', 'ready', 'idle', 'failed', 'stopped'],
  }),
  boards: figure('gauge', 'starling_boards', 'Boards that are open here.'),
  tasks: figure('gauge', 'starling_tasks', 'Tasks that were given here, and are kept.', {
    state: TASK_STATES,
  }),
  budgetLimit: figure('gauge', 'starling_budget_limit', 'What all open budgets allow.', {
    unit: UNITS,
  }),
  budgetSpent: figure('gauge', 'starling_budget_spent', 'What of all open budgets is spent.', {
    unit: UNITS,
  }),
  budgetHeld: figure('gauge', 'starling_budget_held', 'What calls under way hold of budgets.', {
    unit: UNITS,
  }),
  budgetFree: figure('gauge', 'starling_budget_free', 'What this node may still spend.', {
    unit: UNITS,
  }),
  agents: figure('gauge', 'starling_agents', 'Agents of this node.', {
    state: ['active', 'stopped'],
  }),
  modelCalls: figure('counter', 'starling_model_calls_total', 'Calls of language models.', {
    outcome: ['ok', 'failed'],
  }),
  modelTokens: figure('counter', 'starling_model_tokens_total', 'Tokens of language models.', {
    direction: ['input', 'output'],
  }),
  modelChecks: figure(
    'counter',
    'starling_model_checks_total',
    'Answers of language models that were held against what was asked for, before one was taken.',
    { outcome: ['passed', 'failed'] },
  ),
  modelVotes: figure(
    'counter',
    'starling_model_votes_total',
    'Answers of language models that stood in a vote, by whether most said the same.',
    { outcome: ['agreed', 'alone'] },
  ),
  modelGrades: figure(
    'counter',
    'starling_model_grades_total',
    'Answers of language models that were graded by what was expected.',
  ),
  modelGradePoints: figure(
    'counter',
    'starling_model_grade_points_total',
    'The sum of these grades, 0 to 1 each: by their number it is the mean.',
  ),
  auditHealthy: figure(
    'gauge',
    'starling_audit_healthy',
    '1 while what is allowed can be put on record; 0 stops all calls.',
  ),
  auditEntries: figure(
    'counter',
    'starling_audit_entries_total',
    'Entries written since the start.',
  ),
  warnings: figure(
    'gauge',
    'starling_warnings',
    'Lasting troubles, as `starling status` has them.',
  ),
  spans: figure(
    'counter',
    'starling_trace_spans_total',
    'Spans of calls, by what became of them.',
    {
      outcome: ['sent', 'rejected', 'dropped', 'limited'],
    },
  ),
  spansWaiting: figure('gauge', 'starling_trace_spans_waiting', 'Spans that are not sent yet.'),
  cpu: figure('counter', 'process_cpu_seconds_total', 'CPU time that the process has used.'),
  memory: figure('gauge', 'process_resident_memory_bytes', 'Memory of the process.'),
  started: figure('gauge', 'process_start_time_seconds', 'When it started, since the epoch.'),
  heap: figure('gauge', 'nodejs_heap_size_used_bytes', 'Of the memory: what JavaScript uses.'),
  busy: figure(
    'counter',
    'nodejs_eventloop_busy_seconds_total',
    'Time in which the event loop did something.',
  ),
} as const satisfies Readonly<Record<string, Figure>>;

/** The key of a figure in the table. */
export type FigureKey = keyof typeof FIGURES;

function figure(
  type: Figure['type'],
  name: string,
  help: string,
  labels: Figure['labels'] = {},
): Figure {
  return { name, type, help, labels };
}
