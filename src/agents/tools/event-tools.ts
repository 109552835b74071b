/** The tools by which programs tell all of the mesh something, and hear what was told. */
import { z } from 'zod';
import { defineTool } from '../../gateway/index.ts';
import type { BuiltinTool } from '../../gateway/index.ts';
import type { Agents } from '../agents.ts';
import { EVENTS_WAIT_MAX_S, EVENT_BYTES_MAX } from '../limits.ts';
import type { BroadcastResult, EventsResult } from '../types.ts';

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1000;

/** `broadcast`, `events`. */
export function eventTools({ agents }: { readonly agents: Agents }): readonly BuiltinTool[] {
  return [broadcastTool(agents), eventsTool(agents)];
}

function broadcastTool(agents: Agents): BuiltinTool {
  return defineTool({
    name: 'broadcast',
    title: 'Tell all of the mesh',
    description:
      'Tells every member of the mesh something, at once and to nobody in particular: who is away misses it, unless events are kept on a board. Every member can read it.',
    input: z.object({
      message: z.json().describe(`Text, or any JSON; up to ${EVENT_BYTES_MAX} bytes.`),
      subject: z
        .string()
        .max(520)
        .optional()
        .describe('Default broadcast; task.result, config_update, or agent.<own id>.events.'),
      from: z.string().max(128).optional().describe('Which agent of the caller tells it.'),
    }),
    hints: { destructiveHint: false },
    clients: 'yes',
    onTop: true,
    run: (input, { principal }): Promise<BroadcastResult> =>
      agents.tell(principal, {
        subject: input.subject ?? 'broadcast',
        message: input.message,
        from: input.from,
      }),
  });
}

function eventsTool(agents: Agents): BuiltinTool {
  return defineTool({
    name: 'events',
    title: 'Hear what is told to all',
    description:
      'Events that members of the mesh have told to all, waiting for one. The cursor of an answer, given with the next call, gives what comes after.',
    input: z.object({
      topic: z
        .string()
        .max(520)
        .optional()
        .describe(
          'Subjects with * for one word and > for the rest: `agent.*.events`. Default all.',
        ),
      args: z
        .record(z.string(), z.json())
        .optional()
        .describe(
          'What members of the message must be, as in grants: `{"level":{"enum":["error"]},"count":{"minimum":10}}`; of a message that is no object `message` is the name.',
        ),
      cursor: z.number().int().min(0).optional(),
      since: z
        .number()
        .int()
        .min(0)
        .optional()
        .describe(
          'ms since the epoch: what was told since then, also while this node was away, from the board where events are kept; waits for nothing.',
        ),
      limit: z
        .number()
        .int()
        .min(1)
        .max(LIMIT_MAX)
        .optional()
        .describe(`Default ${LIMIT_DEFAULT}.`),
      timeout_s: z
        .number()
        .min(0)
        .max(EVENTS_WAIT_MAX_S)
        .optional()
        .describe('How long to wait for one; default not at all.'),
    }),
    hints: { readOnlyHint: true },
    clients: 'yes',
    onTop: true,
    waits: true,
    run: (input, { signal }): Promise<EventsResult> =>
      agents.events(
        {
          topic: input.topic,
          args: input.args,
          cursor: input.cursor,
          since: input.since,
          limit: input.limit ?? LIMIT_DEFAULT,
          waitMs: (input.timeout_s ?? 0) * 1000,
        },
        signal,
      ),
  });
}
