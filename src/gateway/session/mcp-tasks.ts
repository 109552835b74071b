/**
 * Where the tasks of one session were begun (MCP 2025-11-25 `tasks`, and the extension of 2026-07-28):
 * a task is asked for by its id alone, and only its own server knows it.
 */
import { objectOf } from '../wire/era.ts';
import type { Route } from '../catalog/types.ts';
import type { RequestFrame, ResponseFrame } from '../frame-types.ts';

/** Tasks that a session remembers. */
const TASKS_MAX = 1000;

/** Routes by task. */
export interface McpTasks {
  /** Takes note of the task that `frame` says was begun, if it does. */
  note(route: Route, frame: ResponseFrame): void;
  /** Where a request about a task goes; undefined when it is about none that was begun here. */
  routesOf(frame: RequestFrame): readonly Route[] | undefined;
}

/** Makes an empty table. */
export function createMcpTasks(): McpTasks {
  const routes = new Map<string, Route>();
  return {
    note({ target, wanted }, { result }) {
      const taskId = objectOf(result?.['task'])['taskId'] ?? result?.['taskId'];
      if (typeof taskId !== 'string') return;
      const [oldest] = routes.keys();
      if (routes.size >= TASKS_MAX && oldest !== undefined) routes.delete(oldest);
      routes.set(taskId, { target, wanted, isCleared: true });
    },
    routesOf({ method, params }) {
      const { taskId } = params;
      if (typeof taskId !== 'string' || !method.startsWith('tasks/')) return undefined;
      const route = routes.get(taskId);
      return route === undefined ? undefined : [route];
    },
  };
}
