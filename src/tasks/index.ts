/** Tasks: work that an agent somewhere in the mesh does, and that ends once. */
export { BALLOT_META, choiceIn, isBallot } from './worker/ballot.ts';
export { createTaskAgent, giveTask, giveTasks } from './library.ts';
export type { TaskAgent, TaskContext, TaskHandler, TaskOptions } from './library.ts';
export { mcpTasks } from './tools/mcp-tasks.ts';
export { taskResources } from './tools/resources.ts';
export { createTasks } from './tasks.ts';
export type { Tasks, TasksComponents } from './tasks.ts';
export { OPEN_TASK_TOOLS, taskTools } from './tools/tools.ts';
export { TASK_PRIORITIES, TASK_STATES } from './types.ts';
export type {
  SubmitInit,
  TaskBatch,
  TaskListResult,
  TaskResult,
  TaskState,
  TaskView,
} from './types.ts';
