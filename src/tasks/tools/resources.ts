/** Tasks as resources: `task://<id>` is one with its result, `task_queue://` what has not ended. */
import type { BuiltinContext, BuiltinTemplate } from '../../gateway/index.ts';
import { ENDED } from '../life/machine.ts';
import type { Tasks } from '../tasks.ts';
import { TASK_STATES } from '../types.ts';

const SCHEME = 'task://';
const QUEUE = 'task_queue://';
const MIME_TYPE = 'application/json';
const OPEN = TASK_STATES.filter((state) => !ENDED.includes(state));

/** The templates of tasks and of the queue. */
export function taskResources({ tasks }: { readonly tasks: Tasks }): readonly BuiltinTemplate[] {
  return [oneTask(tasks), queueOf(tasks)];
}

function oneTask(tasks: Tasks): BuiltinTemplate {
  const idIn = (uri: string): string | undefined =>
    uri.startsWith(SCHEME) ? uri.slice(SCHEME.length) : undefined;
  return {
    definition: {
      uriTemplate: `${SCHEME}{taskId}`,
      name: 'task',
      description: 'One task: where it is, who has it, and its result.',
      mimeType: MIME_TYPE,
    },
    async read(uri, { principal }) {
      const id = idIn(uri);
      return id === undefined ? undefined : JSON.stringify(await tasks.result(principal, id));
    },
    async watch(uri, { principal }, changed) {
      const id = idIn(uri);
      if (id === undefined) return undefined;
      // Whoever may not see it hears of nothing.
      await tasks.status(principal, id);
      return tasks.watch(id, changed);
    },
  };
}

function queueOf(tasks: Tasks): BuiltinTemplate {
  const shown = ({ principal }: BuiltinContext): string =>
    JSON.stringify(tasks.list(principal, { states: OPEN }));
  return {
    definition: {
      uriTemplate: `${QUEUE}{which}`,
      name: 'task_queue',
      description:
        'The tasks that have not ended, as far as the caller may see them: task_queue://all.',
      mimeType: MIME_TYPE,
    },
    read: async (uri, context) => (uri.startsWith(QUEUE) ? shown(context) : undefined),
    async watch(uri, context, changed) {
      if (!uri.startsWith(QUEUE)) return undefined;
      let before = shown(context);
      return tasks.watch(undefined, () => {
        const now = shown(context);
        if (now === before) return;
        before = now;
        changed();
      });
    },
  };
}
