/**
 * The life of an agent that the node runs, as a pure state machine:
 *
 *     spawning → init → ready ⇄ running
 *                         ⇅        ⇅
 *                       learning ──┘
 *     any of these → stopping → stopped
 *     any of these → failed → spawning (a restart), or stopping
 *
 * What is not in the table does not happen, and changes nothing.
 */

/** Where a run agent is in its life. */
export type RunState =
  | 'spawning'
  | 'init'
  | 'ready'
  | 'running'
  | 'learning'
  | 'stopping'
  | 'stopped'
  | 'failed';

/** What happens to it. */
export type RunEvent =
  /** Its process is there. */
  | 'started'
  /** It has said what it can do. */
  | 'initialised'
  /** It has a message to deal with. */
  | 'busy'
  /** It has dealt with all. */
  | 'idle'
  /** It takes in what came of its work. */
  | 'learn'
  /** Its process ended, or did not begin. */
  | 'crashed'
  | 'restart'
  | 'stop'
  /** Its process is gone, as was wanted. */
  | 'ended';

const ALIVE = { crashed: 'failed', stop: 'stopping' } as const;

const TABLE: Readonly<Record<RunState, Partial<Readonly<Record<RunEvent, RunState>>>>> = {
  spawning: { started: 'init', ...ALIVE },
  init: { initialised: 'ready', ...ALIVE },
  ready: { busy: 'running', learn: 'learning', ...ALIVE },
  running: { idle: 'ready', learn: 'learning', ...ALIVE },
  learning: { idle: 'ready', busy: 'running', ...ALIVE },
  failed: { restart: 'spawning', stop: 'stopping' },
  stopping: { ended: 'stopped', crashed: 'stopped' },
  stopped: {},
};

/** The state after `event`; the same one where the event means nothing in it. */
export function next(state: RunState, event: RunEvent): RunState {
  return TABLE[state][event] ?? state;
}

/** Whether messages reach it. */
export function takesMessages(state: RunState): boolean {
  return state === 'ready' || state === 'running' || state === 'learning';
}
